package provisioner

import (
	"crypto/x509"
	"slices"
	"sync/atomic"

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
	instance    *instance
	rules       atomic.Pointer[nameRules]
	constraints *nameConstraints
}

var _ provisioner.CertificateEnforcer = (*nameEnforcer)(nil)

func newNameEnforcer(i *instance, cas []*x509.Certificate) (*nameEnforcer, error) {
	constraints, err := newNameConstraints(cas...)
	if err != nil {
		return nil, err
	}
	n := &nameEnforcer{instance: i, constraints: constraints}
	if remote := i.names.remote; remote != nil {
		remote.newPolicy = n.setPolicy // step-ca leaves that of ca.json aside
		return n, nil
	}
	return n, n.setPolicy(i.authority.GetConfig().AuthorityConfig.Policy.GetX509Options())
}

// setPolicy takes the rules of an authority.policy, nil for none.
func (n *nameEnforcer) setPolicy(o *policy.X509PolicyOptions) error {
	rules, err := newNameRules(o)
	if err == nil {
		n.rules.Store(rules)
	}
	return err
}

// Enforce implements [provisioner.CertificateEnforcer].
func (n *nameEnforcer) Enforce(cert *x509.Certificate) error {
	if !n.instance.isOurs(cert) {
		return nil
	}
	if err := profile.FillNames(cert); err != nil {
		return err
	}
	subject, err := profile.NamesInSubject(cert)
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(subject.CommonNames, subject.EmailAddresses) {
		if err := n.constraints.check(name); err != nil {
			return err
		}
	}
	return n.rules.Load().check(cert, subject)
}
