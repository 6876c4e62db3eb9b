package provisioner

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// nameConstraints applies the name constraints of the CA's own certificates to names that
// stand in the subject. step-ca applies them to the alternative names alone.
//
// The rules for matching are crypto/x509's, which has no function for them: a throwaway CA
// with the same constraints signs the name, and the standard verification decides.
type nameConstraints struct{ cas []throwawayCA }

type throwawayCA struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
	pool *x509.CertPool
}

// newNameConstraints takes the constraints of the given CA certificates.
func newNameConstraints(cas ...*x509.Certificate) (*nameConstraints, error) {
	n := new(nameConstraints)
	for _, ca := range cas {
		if !constrained(ca) {
			continue
		}
		t, err := newThrowawayCA(ca)
		if err != nil {
			return nil, fmt.Errorf("reading the name constraints of %q: %w", ca.Subject, err)
		}
		n.cas = append(n.cas, t)
	}
	return n, nil
}

func constrained(c *x509.Certificate) bool {
	return len(c.PermittedDNSDomains)+len(c.ExcludedDNSDomains)+
		len(c.PermittedIPRanges)+len(c.ExcludedIPRanges)+
		len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses)+
		len(c.PermittedURIDomains)+len(c.ExcludedURIDomains) > 0
}

func newThrowawayCA(ca *x509.Certificate) (t throwawayCA, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return t, err
	}
	template := &x509.Certificate{
		SerialNumber:            big.NewInt(1),
		Subject:                 ca.Subject,
		NotBefore:               time.Now().Add(-time.Hour),
		NotAfter:                time.Now().AddDate(100, 0, 0),
		BasicConstraintsValid:   true,
		IsCA:                    true,
		KeyUsage:                x509.KeyUsageCertSign,
		PermittedDNSDomains:     ca.PermittedDNSDomains,
		ExcludedDNSDomains:      ca.ExcludedDNSDomains,
		PermittedIPRanges:       ca.PermittedIPRanges,
		ExcludedIPRanges:        ca.ExcludedIPRanges,
		PermittedEmailAddresses: ca.PermittedEmailAddresses,
		ExcludedEmailAddresses:  ca.ExcludedEmailAddresses,
		PermittedURIDomains:     ca.PermittedURIDomains,
		ExcludedURIDomains:      ca.ExcludedURIDomains,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return t, err
	}
	if t.cert, err = x509.ParseCertificate(der); err != nil {
		return t, err
	}
	t.key, t.pool = private, x509.NewCertPool()
	t.pool.AddCert(t.cert)
	return t, nil
}

// check returns an error when a name of the subject is one that the CA may not certify.
func (n *nameConstraints) check(name string) error {
	if len(n.cas) == 0 {
		return nil
	}
	leaf, err := leafFor(name)
	if leaf == nil || err != nil {
		return err
	}
	for _, ca := range n.cas {
		if err := ca.verify(leaf); err != nil {
			return fmt.Errorf("the name constraints of the CA forbid %q in the subject: %w", name, err)
		}
	}
	return nil
}

var (
	// hostName matches what has a dot and could be a host name or a wildcard for some.
	hostName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_-]+\.)+[A-Za-z0-9_-]+$`)
	// almostHost matches what somebody could still take for a host name: dots between the
	// characters of host names and of patterns for them.
	almostHost = regexp.MustCompile(`^[A-Za-z0-9_*.-]*\.[A-Za-z0-9_*.-]*[A-Za-z0-9_*-]+$`)
)

// leafFor puts a name of the subject where constraints of its kind apply: an IP address, an
// e-mail address, or a DNS name if it is a host name with a dot, also as part of a URL.
// Anything else, such as a serial number, "Anna Bell" or "Contoso Inc.", is no name of a
// kind that can be constrained and gives nil. What only resembles a host name is refused.
func leafFor(name string) (*x509.Certificate, error) {
	plain := bareName(name)
	leaf := new(x509.Certificate)
	ip := net.ParseIP(plain)
	switch {
	case ip != nil:
		leaf.IPAddresses = []net.IP{ip}
	case strings.Contains(plain, "@"):
		leaf.EmailAddresses = []string{plain}
	case hostName.MatchString(plain):
		leaf.DNSNames = []string{strings.TrimPrefix(plain, "*.")}
	case almostHost.MatchString(plain):
		return nil, fmt.Errorf("%q in the subject resembles a host name, and the CA has name constraints", name)
	default:
		return nil, nil
	}
	return leaf, nil
}

// bareName takes off what readers of names overlook: white space and invisible characters,
// the scheme, port and path of a URL, and the dot at the end of a full domain name.
func bareName(name string) string {
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, name)
	plain := strings.TrimSpace(visible)
	if _, rest, ok := strings.Cut(plain, "://"); ok {
		plain, _, _ = strings.Cut(rest, "/")
	}
	if host, port, err := net.SplitHostPort(plain); err == nil && port != "" {
		plain = host
	}
	if !strings.Contains(plain, " ") {
		plain = strings.TrimSuffix(plain, ".")
	}
	return plain
}

func (t *throwawayCA) verify(leaf *x509.Certificate) error {
	template := *leaf
	template.SerialNumber = big.NewInt(2)
	template.NotBefore, template.NotAfter = t.cert.NotBefore, t.cert.NotAfter
	der, err := x509.CreateCertificate(rand.Reader, &template, t.cert, t.key.Public(), t.key)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: t.pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}
