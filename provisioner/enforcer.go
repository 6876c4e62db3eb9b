package provisioner

import (
	"crypto/x509"
	"fmt"

	"github.com/smallstep/certificates/authority/policy"
	"github.com/smallstep/certificates/authority/provisioner"

	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
)

// nameEnforcer repairs step-ca's name policy. Once a certificate has a SAN of a kind that
// Go does not know, such as a UPN, all its SANs stand in one raw extension, and the policy
// and the CA's name constraints see no name at all. step-ca runs its enforcers just before
// those checks: this one fills in the names to be checked and changes nothing that is
// signed.
type nameEnforcer struct {
	instance *instance
	policy   policy.X509Policy // authority.policy; nil without one
}

var _ provisioner.CertificateEnforcer = (*nameEnforcer)(nil)

func newNameEnforcer(i *instance) (*nameEnforcer, error) {
	engine, err := policy.NewX509PolicyEngine(i.authority.GetConfig().AuthorityConfig.Policy.GetX509Options())
	if err != nil {
		return nil, fmt.Errorf("reading authority.policy: %w", err)
	}
	return &nameEnforcer{instance: i, policy: engine}, nil
}

// Enforce implements [provisioner.CertificateEnforcer].
func (n *nameEnforcer) Enforce(cert *x509.Certificate) error {
	if !n.instance.isOurs(cert) {
		return nil
	}
	if err := profile.FillNames(cert); err != nil {
		return err
	}
	return n.checkCommonNames(cert)
}

// checkCommonNames asks the policy about each common name: a subject can have several, and
// step-ca looks at one.
func (n *nameEnforcer) checkCommonNames(cert *x509.Certificate) error {
	names, err := profile.CommonNames(cert)
	if err != nil || n.policy == nil || len(names) < 2 {
		return err
	}
	for _, name := range names {
		other := *cert
		other.Subject.CommonName = name
		if err := n.policy.IsX509CertificateAllowed(&other); err != nil {
			return err
		}
	}
	return nil
}
