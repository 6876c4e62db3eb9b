package provisioner

import (
	"crypto/x509"
	"errors"
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

	constraints *nameConstraints
}

var _ provisioner.CertificateEnforcer = (*nameEnforcer)(nil)

func newNameEnforcer(i *instance, cas []*x509.Certificate) (*nameEnforcer, error) {
	engine, err := policy.NewX509PolicyEngine(i.authority.GetConfig().AuthorityConfig.Policy.GetX509Options())
	if err != nil {
		return nil, fmt.Errorf("reading authority.policy: %w", err)
	}
	constraints, err := newNameConstraints(cas...)
	if err != nil {
		return nil, err
	}
	return &nameEnforcer{instance: i, policy: engine, constraints: constraints}, nil
}

// Enforce implements [provisioner.CertificateEnforcer].
func (n *nameEnforcer) Enforce(cert *x509.Certificate) error {
	if !n.instance.isOurs(cert) {
		return nil
	}
	if err := profile.FillNames(cert); err != nil {
		return err
	}
	return n.checkSubject(cert)
}

// checkSubject checks the names of the subject that step-ca does not look at: all common
// names but the last, and e-mail addresses, for the policy; all of them for the name
// constraints.
func (n *nameEnforcer) checkSubject(cert *x509.Certificate) error {
	names, err := profile.NamesInSubject(cert)
	if err != nil {
		return err
	}
	for _, name := range names.CommonNames {
		if err := errors.Join(n.allowed(cert, func(c *x509.Certificate) { c.Subject.CommonName = name }), n.constraints.check(name)); err != nil {
			return err
		}
	}
	for _, name := range names.EmailAddresses {
		if err := errors.Join(n.allowed(cert, func(c *x509.Certificate) { c.EmailAddresses = []string{name} }), n.constraints.check(name)); err != nil {
			return err
		}
	}
	return nil
}

// allowed asks the policy about a variation of a certificate.
func (n *nameEnforcer) allowed(cert *x509.Certificate, vary func(*x509.Certificate)) error {
	if n.policy == nil {
		return nil
	}
	other := *cert
	vary(&other)
	return n.policy.IsX509CertificateAllowed(&other)
}
