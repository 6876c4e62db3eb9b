package profile

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// askedFor is the request behind the tests of Check and CheckIssued.
func askedFor(t testing.TB) draft {
	return draft{}.sans(t,
		upn("alice@contoso.example"),
		dnsName("Device.contoso.example"),
		emailName("alice@contoso.example"),
		uriName("IntuneDeviceId://1234"),
		tlv(0x87, []byte{192, 0, 2, 1}),
	).
		ext(oidExtKeyUsage, false, ekuValue(t, clientAuth, smartCardLogon)).
		ext(oidSIDExtension, false, forgedSID(t)).
		ext(oidPolicies, false, concat(t, concat(t, oidDER(oidCustom))))
}

func defaultCertificate(t testing.TB, s Settings, d draft) (*Request, *x509.Certificate) {
	t.Helper()
	r := mustRead(t, s, d)
	template, err := render(t, DefaultTemplate, r.TemplateData(), d.der(t))
	if err != nil {
		t.Fatal(err)
	}
	return r, template
}

func extra(oid stdasn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oid, Value: value})
	}
}

// replace puts value in place of an extension that the template has.
func replace(oid stdasn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		findExtension(c.ExtraExtensions, oid).Value = value
	}
}

func without(c *x509.Certificate, oid stdasn1.ObjectIdentifier) {
	var kept []pkix.Extension
	for _, e := range c.ExtraExtensions {
		if !e.Id.Equal(oid) {
			kept = append(kept, e)
		}
	}
	c.ExtraExtensions = kept
}

func TestCheckRefusesWhatNobodyAskedFor(t *testing.T) {
	tests := []struct {
		name   string
		change func(*x509.Certificate)
		reason string
	}{
		{"a CA in the field", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, "of a CA"},
		{"a CA in an extension", extra(oidBasicConstraints, tlv(0x30, []byte{1, 1, 0xff})), "of a CA"},
		{"a CA in an extension beside a harmless field", func(c *x509.Certificate) {
			c.BasicConstraintsValid = true
			extra(oidBasicConstraints, tlv(0x30, []byte{1, 1, 0xff, 2, 1, 0}))(c)
		}, "of a CA"},
		{"basic constraints twice", func(c *x509.Certificate) {
			extra(oidBasicConstraints, tlv(0x30))(c)
			extra(oidBasicConstraints, tlv(0x30, []byte{1, 1, 0xff}))(c)
		}, "appears twice"},

		{"another raw subject", func(c *x509.Certificate) { c.RawSubject = name(t, rdn{cn("other")}) }, "subject is not the request's"},
		{"no raw subject, so that the authority's defaults are used", func(c *x509.Certificate) { c.RawSubject = nil }, "subject is not the request's"},
		{"an empty subject", func(c *x509.Certificate) { c.RawSubject = tlv(0x30) }, "subject is not the request's"},
		{"the same subject in another encoding", func(c *x509.Certificate) {
			c.RawSubject = name(t, rdn{{oidCommonName, tlv(0x13, []byte("device-0001"))}})
		}, "subject is not the request's"},

		{"another key", func(c *x509.Certificate) { c.PublicKey = &generate(2048).PublicKey }, "key is not the request's"},
		{"no key", func(c *x509.Certificate) { c.PublicKey = nil }, "key is not the request's"},

		{"another name in the extension", replace(oidSAN, concat(t, dnsName("other.example"))), `lacks the name dns "other.example"`},
		{"one name too many in the extension", replace(oidSAN, concat(t, dnsName("Device.contoso.example"), emailName("root@contoso.example"))), "root@contoso.example"},
		{"a DNS name as e-mail address", replace(oidSAN, concat(t, emailName("Device.contoso.example"))), "lacks the name email"},
		{"a name of an unknown kind", replace(oidSAN, concat(t, tlv(0x88, []byte{0x2a, 3}))), "registeredID"},
		{"an IPv4 address written as IPv6", replace(oidSAN, concat(t, tlv(0x87, net.ParseIP("192.0.2.1").To16()))), "lacks the name ip"},
		{"names that are not DER", replace(oidSAN, []byte{0x30, 0x80, 0, 0}), "not a DER sequence"},
		{"a DNS name in the field", func(c *x509.Certificate) { without(c, oidSAN); c.DNSNames = []string{"other.example"} }, "other.example"},
		{"an e-mail address in the field", func(c *x509.Certificate) { without(c, oidSAN); c.EmailAddresses = []string{"Alice@contoso.example"} }, "Alice@contoso.example"},
		{"an IP address in the field", func(c *x509.Certificate) { without(c, oidSAN); c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 2)} }, "192.0.2.2"},
		{"a URI in the field", func(c *x509.Certificate) {
			without(c, oidSAN)
			c.URIs = []*url.URL{{Scheme: "https", Host: "other.example"}}
		}, "https://other.example"},

		{"a key usage in the field", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, "[certSign]"},
		{"a key usage that only the request lacks", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyAgreement }, "[keyAgreement]"},
		{"a key usage in an extension", extra(oidKeyUsage, kuValue(0xa4)), "[certSign]"},
		{"no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, "no key usage"},
		{"an extended key usage in the field", func(c *x509.Certificate) {
			c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning)
		}, "codeSigning"},
		{"an extended key usage by number", func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, oidCodeSigning)
		}, "codeSigning"},
		{"an extended key usage of which crypto/x509 knows nothing", func(c *x509.Certificate) {
			c.ExtKeyUsage = append(c.ExtKeyUsage, 99)
		}, "extended key usage 99 is unknown"},
		{"an extended key usage in an extension", extra(oidExtKeyUsage, ekuValue(t, clientAuth, oidCodeSigning)), "codeSigning"},
		{"no extended key usage", func(c *x509.Certificate) { c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, nil }, "no extended key usage"},
		{"application policies that go further", extra(oidApplicationPolicies, concat(t, concat(t, oidDER(oidCodeSigning)))), "codeSigning"},
		{"application policies that are not DER", extra(oidApplicationPolicies, []byte{5, 0}), "application policies"},
		{"a Netscape certificate type", extra(oidNetscapeCertType, tlv(3, []byte{0, 4})), "not for devices"},
		{"a second subject", extra(oidSubjectDirectory, tlv(0x30)), "not for devices"},

		{"name constraints in the field", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example"} }, "belong to a CA"},
		{"name constraints in an extension", extra(oidNameConstraints, tlv(0x30)), "not for devices"},
		{"the request's forged SID", extra(oidSIDExtension, forgedSID(t)), "not from the request's URI"},
		{"the request's policies", extra(oidPolicies, concat(t, concat(t, oidDER(oidCustom)))), "copied from the request"},
		{"an end before the beginning", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(-time.Second) }, "validity"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, template := defaultCertificate(t, Settings{}, askedFor(t))
			if err := r.Check(template); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			test.change(template)
			err := r.Check(template)
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%v, want an error with %q", err, test.reason)
			}
		})
	}
}

func TestCheckInsistsOnCriticalNamesWithoutSubject(t *testing.T) {
	d := draft{subject: name(t)}.sans(t, dnsName("a.example"))
	for what, change := range map[string]func(*x509.Certificate){
		"missing":      func(c *x509.Certificate) { without(c, oidSAN) },
		"not critical": func(c *x509.Certificate) { findExtension(c.ExtraExtensions, oidSAN).Critical = false },
	} {
		r, template := defaultCertificate(t, Settings{}, d)
		if err := r.Check(template); err != nil {
			t.Fatal(err)
		}
		change(template)
		if r.Check(template) == nil {
			t.Errorf("accepted although %s", what)
		}
	}
}

func TestCheckLetsAnOperatorLeaveOutAndAdd(t *testing.T) {
	tests := map[string]func(*x509.Certificate){
		"no names":                      func(c *x509.Certificate) { without(c, oidSAN) },
		"fewer names":                   replace(oidSAN, concat(t, upn("alice@contoso.example"))),
		"a DNS name in lower case":      replace(oidSAN, concat(t, dnsName("device.contoso.example"))),
		"fewer key usages":              func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature },
		"fewer extended key usages":     func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil },
		"basic constraints of CA:FALSE": func(c *x509.Certificate) { c.BasicConstraintsValid = true },
		"CA:FALSE in an extension":      extra(oidBasicConstraints, tlv(0x30)),
		"policies of his own":           extra(oidPolicies, concat(t, concat(t, oidDER(append(oidCustom[:len(oidCustom):len(oidCustom)], 7))))),
		"an extension of his own":       extra(oidCustom, []byte{5, 0}),
		"application policies within":   extra(oidApplicationPolicies, concat(t, concat(t, oidDER(clientAuth)))),
		"addresses of CRLs":             func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://crl.example/ca.crl"} },
		"policies in the field": func(c *x509.Certificate) {
			policy, err := x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 99999, 1, 7})
			if err != nil {
				t.Fatal(err)
			}
			c.PolicyIdentifiers, c.Policies = []stdasn1.ObjectIdentifier{append(oidCustom[:len(oidCustom):len(oidCustom)], 7)}, []x509.OID{policy}
		},
		"an address of the issuer": func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.example"} },
		"an OCSP responder":        func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.example"} },
		"names in fields": func(c *x509.Certificate) {
			without(c, oidSAN)
			c.DNSNames, c.IPAddresses = []string{"device.contoso.example"}, []net.IP{net.ParseIP("192.0.2.1")}
		},
	}
	for what, change := range tests {
		t.Run(what, func(t *testing.T) {
			r, template := defaultCertificate(t, Settings{}, askedFor(t))
			change(template)
			if err := r.Check(template); err != nil {
				t.Fatal(err)
			}
			issued := ca().sign(t, template)
			if err := CheckIssued(template, issued); err != nil {
				t.Error(err)
			}
		})
	}
}

// A template that copies the request is what operators find in step-ca's own
// documentation.
func TestTemplateThatCopiesTheRequestIsStopped(t *testing.T) {
	tests := []struct {
		name, template string
		draft          draft
	}{
		{"a forged SID", `{{ toJson .Insecure.CR }}`, draft{}.sans(t, upn("a@b.example")).ext(oidSIDExtension, false, forgedSID(t))},
		{"a subject that was put together again", `{"subject": {{ toJson .Insecure.CR.Subject }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["clientAuth"]}`, draft{}},
		{"invented names", `{"rawSubject": {{ toJson .Webhooks.intune.rawSubject }}, "sans": {{ toJson .SANs }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["clientAuth"]}`, draft{}},
		{"step-ca's default usages", `{"rawSubject": {{ toJson .Webhooks.intune.rawSubject }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["serverAuth", "clientAuth"]}`, draft{}},
		{"a CA", `{"rawSubject": {{ toJson .Webhooks.intune.rawSubject }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["clientAuth"], "basicConstraints": {"isCA": true}}`, draft{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := mustRead(t, Settings{}, test.draft)
			template, err := render(t, test.template, r.TemplateData(), test.draft.der(t))
			if err != nil {
				t.Fatal(err)
			}
			if r.Check(template) == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestTemplateWithoutApprovalFails(t *testing.T) {
	d := draft{}
	data := mustRead(t, Settings{}, d).TemplateData()
	for key := range data {
		delete(data, key)
	}
	template, err := render(t, DefaultTemplate, data, d.der(t))
	if err != nil {
		return
	}
	if err := mustRead(t, Settings{}, d).Check(template); err == nil {
		t.Error("a template without data passed")
	}
}

func TestCheckIssuedSeesEveryDifference(t *testing.T) {
	raw := func(*x509.Certificate) {}
	fields := func(c *x509.Certificate) {
		without(c, oidSAN)
		c.DNSNames, c.EmailAddresses = []string{"device.contoso.example"}, []string{"alice@contoso.example"}
	}
	tests := []struct {
		name          string
		begin, change func(*x509.Certificate)
		reason        string
	}{
		{"serial number", raw, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(43) }, "serial number"},
		{"subject", raw, func(c *x509.Certificate) { c.RawSubject = name(t, rdn{cn("other")}) }, "subject is not"},
		{"names", raw, replace(oidSAN, concat(t, dnsName("Device.contoso.example"))), "names are not those"},
		{"order of names", raw, replace(oidSAN, concat(t, dnsName("Device.contoso.example"), upn("alice@contoso.example"))), "names are not those"},
		{"case of a name", raw, func(c *x509.Certificate) {
			e := findExtension(c.ExtraExtensions, oidSAN)
			e.Value = bytes.Replace(e.Value, []byte("Device"), []byte("DEVICE"), 1)
		}, "extension 2.5.29.17 is missing or changed"},
		{"critical names", raw, func(c *x509.Certificate) { findExtension(c.ExtraExtensions, oidSAN).Critical = true }, "not as critical"},
		{"no names", raw, func(c *x509.Certificate) { without(c, oidSAN) }, "names are not those"},
		{"names in fields", fields, func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} }, "names are not those"},
		{"critical names in fields", fields, func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidSAN, Critical: true,
				Value: concat(t, dnsName("device.contoso.example"), emailName("alice@contoso.example"))})
		}, "not as critical"},
		{"key usage", raw, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, "the key usage"},
		{"no key usage", raw, func(c *x509.Certificate) { c.KeyUsage = 0 }, "the key usage"},
		{"extended key usage", raw, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "extended key usage"},
		{"CA", raw, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, "of a CA"},
		{"key", raw, func(c *x509.Certificate) { c.PublicKey = &generate(2048).PublicKey }, "key is not"},
		{"begin", raw, func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Second) }, "validity"},
		{"end", raw, func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }, "validity"},
		{"an added SID extension", raw, extra(oidSIDExtension, forgedSID(t)), "25.2 was not to be certified"},
		{"an added private extension", raw, extra(oidCustom, []byte{5, 0}), oidCustom.String() + " was not to be certified"},
		{"added application policies", raw, extra(oidApplicationPolicies, concat(t, concat(t, oidDER(oidCodeSigning)))), "21.10 was not"},
		{"added name constraints", raw, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example"} }, "2.5.29.30 was not"},
		{"an added policy", raw, func(c *x509.Certificate) {
			policy, err := x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 99999, 1})
			if err != nil {
				t.Fatal(err)
			}
			c.PolicyIdentifiers, c.Policies = []stdasn1.ObjectIdentifier{oidCustom}, []x509.OID{policy}
		}, "2.5.29.32 was not"},
		{"an added address of CRLs", raw, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://crl.example"} }, "2.5.29.31 was not"},
		{"an added OCSP responder", raw, func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.example"} }, "1.3.6.1.5.5.7.1.1 was not"},
		{"an added address of the issuer", raw, func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.example"} }, "1.3.6.1.5.5.7.1.1 was not"},
		{"provisioner extension", raw, func(c *x509.Certificate) { without(c, oidProvisioner) }, "64.1 is missing"},
		{"critical provisioner extension", raw, func(c *x509.Certificate) { findExtension(c.ExtraExtensions, oidProvisioner).Critical = true }, "64.1 is missing or changed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, template := defaultCertificate(t, Settings{}, askedFor(t))
			template.SerialNumber = big.NewInt(42)
			test.begin(template)
			altered := *template
			altered.ExtraExtensions = slices.Clone(template.ExtraExtensions)
			test.change(&altered)
			if err := CheckIssued(template, ca().sign(t, template)); err != nil {
				t.Fatalf("without the change: %v", err)
			}
			err := CheckIssued(template, ca().sign(t, &altered))
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%v, want an error with %q", err, test.reason)
			}
		})
	}
}
