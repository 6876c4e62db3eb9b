package provisioner

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/smallstep/certificates/authority/policy"

	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
)

// nameRules applies authority.policy where step-ca's own check of a certificate leaves
// gaps. step-ca looks at one common name of several and at no e-mail address in a subject;
// a common name that a deny rule names it lets pass unless another rule denies it, and once
// there is such a rule it looks no further at any other common name; in a wildcard and in
// an address with two @ it sees no denied name.
type nameRules struct {
	engine    policy.X509Policy // all rules but those that deny common names; nil for none
	deniedCNs []string
	wildcards bool // are allowed
}

// newNameRules returns nil when there are no rules.
func newNameRules(o *policy.X509PolicyOptions) (*nameRules, error) {
	if o == nil || !hasNames(o.AllowedNames) && !hasNames(o.DeniedNames) {
		return nil, nil
	}
	rest, rules := *o, &nameRules{wildcards: o.AllowWildcardNames}
	if o.DeniedNames != nil {
		denied := *o.DeniedNames
		rules.deniedCNs, denied.CommonNames = denied.CommonNames, nil
		rest.DeniedNames = &denied
	}
	if !hasNames(rest.AllowedNames) && !hasNames(rest.DeniedNames) {
		return rules, nil
	}
	var err error
	if rules.engine, err = policy.NewX509PolicyEngine(&rest); err != nil {
		return nil, fmt.Errorf("reading authority.policy: %w", err)
	}
	return rules, nil
}

func hasNames(o *policy.X509NameOptions) bool { return o != nil && o.HasNames() }

// check returns an error for a certificate with a name that the rules forbid. The names of
// the certificate are those that [profile.FillNames] has filled in.
func (r *nameRules) check(cert *x509.Certificate, subject profile.SubjectNames) error {
	if r == nil {
		return nil
	}
	for _, name := range slices.Concat(cert.DNSNames, subject.CommonNames) {
		if strings.HasPrefix(name, "*.") && !r.wildcards {
			return fmt.Errorf("authority.policy does not allow the wildcard %q", name)
		}
	}
	for _, name := range slices.Concat(cert.EmailAddresses, subject.CommonNames, subject.EmailAddresses) {
		if strings.Count(name, "@") > 1 {
			return fmt.Errorf("%q is no e-mail address or UPN that authority.policy could judge", name)
		}
	}
	for _, name := range withBareNames(subject.CommonNames) {
		if slices.ContainsFunc(r.deniedCNs, func(denied string) bool { return strings.EqualFold(denied, name) }) {
			return fmt.Errorf("authority.policy denies the common name %q", name)
		}
		if err := r.allow(cert, func(c *x509.Certificate) { c.Subject.CommonName = name }); err != nil {
			return err
		}
	}
	for _, name := range subject.EmailAddresses {
		if err := r.allow(cert, func(c *x509.Certificate) { c.EmailAddresses = []string{name} }); err != nil {
			return err
		}
	}
	return nil
}

// withBareNames adds the forms in which a reader may take a name: "https://host" and "host:443"
// are a host to some.
func withBareNames(names []string) []string {
	all := slices.Clone(names)
	for _, name := range names {
		if bare := bareName(name); bare != name && bare != "" {
			all = append(all, bare)
		}
	}
	return all
}

// allow asks step-ca's engine about a variation of a certificate.
func (r *nameRules) allow(cert *x509.Certificate, vary func(*x509.Certificate)) error {
	if r.engine == nil {
		return nil
	}
	other := *cert
	vary(&other)
	return r.engine.IsX509CertificateAllowed(&other)
}
