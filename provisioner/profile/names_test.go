package profile

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
)

func TestFillNamesShowsEveryNameToAPolicy(t *testing.T) {
	d := draft{subject: name(t, rdn{cn("Users")}, rdn{{oidCommonName, bmpString("Alice")}})}.sans(t,
		upn("alice@contoso.example"),
		emailName("a.smith@contoso.example"),
		dnsName("Device.contoso.example"),
		uriName("https://contoso.example/x"),
		tlv(0x87, []byte{192, 0, 2, 1}),
		tlv(0x87, bytes.Repeat([]byte{0x20}, 16)),
	)
	_, template := defaultCertificate(t, Settings{}, d)
	if template.DNSNames != nil || template.EmailAddresses != nil || template.Subject.CommonName != "" {
		t.Fatal("step-ca fills the names by itself: FillNames is not needed any more")
	}
	if err := FillNames(template); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Device.contoso.example"}; !slices.Equal(template.DNSNames, want) {
		t.Errorf("DNS names %q", template.DNSNames)
	}
	if want := []string{"alice@contoso.example", "a.smith@contoso.example"}; !slices.Equal(template.EmailAddresses, want) {
		t.Errorf("e-mail addresses %q", template.EmailAddresses)
	}
	if len(template.URIs) != 1 || template.URIs[0].Host != "contoso.example" {
		t.Errorf("URIs %v", template.URIs)
	}
	if len(template.IPAddresses) != 2 || template.IPAddresses[0].String() != "192.0.2.1" {
		t.Errorf("IP addresses %v", template.IPAddresses)
	}
	if template.Subject.CommonName != "Alice" || template.Subject.Organization != nil {
		t.Errorf("subject %+v", template.Subject)
	}
	names, err := NamesInSubject(template)
	if err != nil || !slices.Equal(names.CommonNames, []string{"Users", "Alice"}) {
		t.Errorf("common names %q, %v", names, err)
	}
}

// The policy may look at the fields; the CA signs the raw forms.
func TestFillNamesDoesNotChangeWhatIsSigned(t *testing.T) {
	for what, d := range map[string]draft{
		"with names":        askedFor(t),
		"without names":     {},
		"without a subject": draft{subject: name(t)}.sans(t, upn("alice@contoso.example")),
		"with a critical extension of names": draft{}.ext(oidSAN, true,
			concat(t, dnsName("Device.contoso.example"), emailName("alice@contoso.example"))),
	} {
		t.Run(what, func(t *testing.T) {
			_, template := defaultCertificate(t, Settings{}, d)
			template.SerialNumber = big.NewInt(42)
			before := ca().sign(t, template)
			if err := FillNames(template); err != nil {
				t.Fatal(err)
			}
			after := ca().sign(t, template)
			if !bytes.Equal(before.RawTBSCertificate, after.RawTBSCertificate) {
				t.Errorf("signed %x before, %x after", before.RawTBSCertificate, after.RawTBSCertificate)
			}
		})
	}
}

func TestFillNamesLeavesFieldsThatAreSignedAlone(t *testing.T) {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a.example"}}
	if err := FillNames(template); err != nil {
		t.Fatal(err)
	}
	if template.Subject.CommonName != "a" || !slices.Equal(template.DNSNames, []string{"a.example"}) {
		t.Errorf("%+v", template)
	}
	if names, err := NamesInSubject(template); err != nil || !slices.Equal(names.CommonNames, []string{"a"}) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestFillNamesReplacesFieldsThatAreNotSigned(t *testing.T) {
	template := &x509.Certificate{
		RawSubject: name(t, rdn{cn("real")}), Subject: pkix.Name{CommonName: "pretended"},
		DNSNames:        []string{"pretended.example"},
		ExtraExtensions: []pkix.Extension{{Id: oidSAN, Value: concat(t, dnsName("real.example"))}},
	}
	if err := FillNames(template); err != nil {
		t.Fatal(err)
	}
	if template.Subject.CommonName != "real" || !slices.Equal(template.DNSNames, []string{"real.example"}) {
		t.Errorf("%+v", template)
	}
}

func TestFillNamesFailsOnNamesThatItCannotRead(t *testing.T) {
	for what, template := range map[string]*x509.Certificate{
		"subject":     {RawSubject: []byte{0x30, 0x80}},
		"common name": {RawSubject: name(t, rdn{{oidCommonName, tlv(0x1c, []byte{0, 0, 0, 'a'})}})},
		"names":       {ExtraExtensions: []pkix.Extension{{Id: oidSAN, Value: []byte{5, 0}}}},
	} {
		if FillNames(template) == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestEmailAddressesInASubjectAreNames(t *testing.T) {
	template := &x509.Certificate{RawSubject: name(t, rdn{cn("a")}, rdn{{oidEmailAddress, tlv(0x16, []byte("a@contoso.example"))}})}
	names, err := NamesInSubject(template)
	if err != nil || !slices.Equal(names.EmailAddresses, []string{"a@contoso.example"}) {
		t.Errorf("e-mail addresses %q, %v", names.EmailAddresses, err)
	}
}
