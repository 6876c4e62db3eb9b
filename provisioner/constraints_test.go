package provisioner

import (
	"crypto/x509"
	"net"
	"testing"
)

func TestNameConstraintsApplyToNamesInTheSubject(t *testing.T) {
	_, network, err := net.ParseCIDR("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNameConstraints(
		&x509.Certificate{}, // an unconstrained root
		&x509.Certificate{
			PermittedDNSDomains:    []string{"contoso.example"},
			ExcludedDNSDomains:     []string{"secret.contoso.example"},
			PermittedIPRanges:      []*net.IPNet{network},
			ExcludedEmailAddresses: []string{"fabrikam.example"},
		})
	if err != nil {
		t.Fatal(err)
	}
	for name, allowed := range map[string]bool{
		"laptop.contoso.example":               true,
		"laptop.fabrikam.example":              false,
		"laptop.secret.contoso.example":        false,
		"*.fabrikam.example":                   false,
		"192.0.2.7":                            true,
		"198.51.100.7":                         false,
		"anna@contoso.example":                 true,
		"anna@fabrikam.example":                false,
		"not an @ address":                     false,
		"laptop.fabrikam.example.":             false,
		" laptop.fabrikam.example":             false,
		"laptop.fabrikam.example ":             false,
		"\u200blaptop.fabrikam.example":        false,
		"l*.fabrikam.example":                  false,
		".fabrikam.example":                    false,
		"laptop..fabrikam.example":             false,
		"laptop.fabrikam.example:443":          false,
		"https://laptop.fabrikam.example":      false,
		"https://laptop.fabrikam.example/x":    false,
		"https://laptop.contoso.example/x":     true,
		"laptop.contoso.example.":              true,
		"Anna Bell":                            true,
		"Contoso Inc.":                         true,
		"zoë.müller":                           true,
		"490154203237518":                      true,
		"a3f1c2d4-0000-4000-8000-000000000001": true,
		"":                                     true,
	} {
		if err := n.check(name); (err == nil) != allowed {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestWithoutNameConstraintsEveryNameIsAllowed(t *testing.T) {
	n, err := newNameConstraints(&x509.Certificate{}, &x509.Certificate{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.check("laptop.fabrikam.example"); err != nil {
		t.Error(err)
	}
}
