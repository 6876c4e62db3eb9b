package device_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/smallstep/scep/x509util"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

var (
	oidSAN         = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidNameValue   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 13, 2, 1}
)

func TestPlatformsSendWhatTheyAreKnownToSend(t *testing.T) {
	challenge := strings.Repeat("c2VjcmV0+/=", 300)
	tests := map[string]struct {
		make       func(subject, challenge string, sans ...device.SAN) device.CSR
		extensions []asn1.ObjectIdentifier
		pairs      [][2]string
	}{
		"Windows asks for usages and names the validity": {
			device.Windows, []asn1.ObjectIdentifier{oidSAN, oidKeyUsage, oidExtKeyUsage},
			[][2]string{{"ValidityPeriod", "Years"}, {"ValidityPeriodUnits", "1"}},
		},
		"iPhone names neither extended usages nor the validity": {
			device.IPhone, []asn1.ObjectIdentifier{oidSAN, oidKeyUsage}, nil,
		},
		"Android swaps the two values of the validity": {
			device.Android, []asn1.ObjectIdentifier{oidSAN, oidKeyUsage, oidExtKeyUsage},
			[][2]string{{"ValidityPeriod", "1"}, {"ValidityPeriodUnits", "Years"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := build(t, test.make("CN=alice,OU=Sales,O=Contoso", challenge, device.UPN("alice@contoso.example"), device.DNS("pc.contoso.example")))
			csr := parse(t, r.DER)
			if got := csr.Subject.String(); got != "CN=alice,OU=Sales,O=Contoso" {
				t.Errorf("subject is %q", got)
			}
			if len(csr.Extensions) != len(test.extensions) {
				t.Fatalf("got %d extensions", len(csr.Extensions))
			}
			for i, id := range test.extensions {
				if !csr.Extensions[i].Id.Equal(id) {
					t.Errorf("extension %d is %v", i, csr.Extensions[i].Id)
				}
			}
			if got, err := x509util.ParseChallengePassword(r.DER); err != nil || got != challenge {
				t.Errorf("challenge has %d characters, %v", len(got), err)
			}
			if got := pairs(t, r.DER); len(got) != len(test.pairs) || (len(got) == 2 && (got[0] != test.pairs[0] || got[1] != test.pairs[1])) {
				t.Errorf("name/value pairs are %q", got)
			}
		})
	}
}

func TestSANsKeepTheirOrderAndBytes(t *testing.T) {
	csr := parse(t, build(t, device.CSR{SANs: []device.SAN{
		device.URI("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1"),
		device.DNS("A.example"),
		device.Email("Alice@Contoso.example"),
		device.IP(netip.MustParseAddr("2001:db8::1")),
		device.DNS("b.example"),
	}}).DER)
	if got := csr.DNSNames; len(got) != 2 || got[0] != "A.example" || got[1] != "b.example" {
		t.Errorf("DNS names are %q", got)
	}
	if got := csr.EmailAddresses; len(got) != 1 || got[0] != "Alice@Contoso.example" {
		t.Errorf("addresses are %q", got)
	}
	if got := csr.IPAddresses; len(got) != 1 || got[0].String() != "2001:db8::1" {
		t.Errorf("IP addresses are %v", got)
	}
	if got := csr.URIs; len(got) != 1 || got[0].String() != "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1" {
		t.Errorf("URIs are %v", got)
	}
	if san := csr.Extensions[0]; !san.Critical || !bytes.Contains(san.Value[:4], []byte{0x86}) {
		t.Errorf("with an empty subject the extension is %+v", san)
	}
}

func TestEveryKeyUsageIsEncodedAsGoEncodesIt(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for usage := x509.KeyUsage(1); usage < 1<<9; usage++ {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), KeyUsage: usage}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		want := extension(certificate.Extensions, oidKeyUsage)
		got := extension(parse(t, build(t, device.CSR{KeyUsage: usage, Key: key}).DER).Extensions, oidKeyUsage)
		if !bytes.Equal(got, want) {
			t.Fatalf("usage %b is % x, want % x", usage, got, want)
		}
	}
}

func TestSubjectsFollowRFC4514(t *testing.T) {
	for _, subject := range []string{
		"",
		"CN=device-1",
		"CN=alice,OU=Sales,O=Contoso\\, Ltd.,C=GB",
		"CN=J\\+rg \\\"x\\\",O=a\\\\b",
		"CN=Jörg Müller",
	} {
		der := parse(t, build(t, device.CSR{Subject: subject}).DER).RawSubject
		var rdns pkix.RDNSequence
		if _, err := asn1.Unmarshal(der, &rdns); err != nil {
			t.Fatal(err)
		}
		if got := rdns.String(); got != subject {
			t.Errorf("%q came back as %q", subject, got)
		}
	}
	csr := parse(t, build(t, device.CSR{Subject: "CN=a+SERIALNUMBER=7,DC=contoso,DC=com,E=a@b.example"}).DER)
	if csr.Subject.SerialNumber != "7" || csr.Subject.CommonName != "a" || len(csr.Subject.Names) != 5 {
		t.Errorf("got %q", csr.Subject)
	}
	for _, wrong := range []string{"device-1", "CN=a,,O=b", "XX=y", "CN=a\\"} {
		if _, err := (device.CSR{Subject: wrong}).Build(); err == nil {
			t.Errorf("subject %q was taken", wrong)
		}
	}
}

func TestRequestsOfEveryKeyAreSignedUnlessBroken(t *testing.T) {
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{elliptic, edwards, device.Keys(1)[0]} {
		if err := parse(t, build(t, device.CSR{Key: key}).DER).CheckSignature(); err != nil {
			t.Errorf("%T: %v", key, err)
		}
		if err := parse(t, build(t, device.CSR{Key: key, BreakSignature: true}).DER).CheckSignature(); err == nil {
			t.Errorf("%T: the broken signature is good", key)
		}
	}
}

func TestAttributesMayBeRepeatedAndStrange(t *testing.T) {
	der := build(t, device.CSR{
		Challenge: "first",
		KeyUsage:  x509.KeyUsageDigitalSignature,
		Attributes: []device.Attribute{
			device.ChallengePassword(cbasn1.UTF8String, []byte("sec\x00ond\xff")),
			device.ExtensionRequest(pkix.Extension{Id: oidSAN, Value: []byte{0x30, 0}}),
		},
	}).DER
	if got := len(attributes(t, der)); got != 4 {
		t.Errorf("got %d attributes", got)
	}
	if !bytes.Contains(der, []byte("sec\x00ond\xff")) {
		t.Error("the second challenge is not in the request")
	}
}

func TestKeysOfThePoolAreDifferentAndStay(t *testing.T) {
	two := device.Keys(2)
	if two[0].Equal(two[1]) {
		t.Error("the first two keys are equal")
	}
	if three := device.Keys(3); three[0] != two[0] || three[1] != two[1] {
		t.Error("the pool forgot its keys")
	}
}

func build(t *testing.T, csr device.CSR) *device.Request {
	t.Helper()
	r, err := csr.Build()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t *testing.T, der []byte) *x509.CertificateRequest {
	t.Helper()
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func extension(extensions []pkix.Extension, id asn1.ObjectIdentifier) []byte {
	for _, e := range extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// attributes returns the raw attributes of a request.
func attributes(t *testing.T, der []byte) []cryptobyte.String {
	t.Helper()
	csr := parse(t, der)
	info := cryptobyte.String(csr.RawTBSCertificateRequest)
	var inner, list cryptobyte.String
	if !info.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.SkipASN1(cbasn1.INTEGER) ||
		!inner.SkipASN1(cbasn1.SEQUENCE) || !inner.SkipASN1(cbasn1.SEQUENCE) ||
		!inner.ReadASN1(&list, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		t.Fatal("no attributes")
	}
	var all []cryptobyte.String
	for !list.Empty() {
		var one cryptobyte.String
		if !list.ReadASN1(&one, cbasn1.SEQUENCE) {
			t.Fatal("broken attribute")
		}
		all = append(all, one)
	}
	return all
}

func pairs(t *testing.T, der []byte) [][2]string {
	t.Helper()
	var all [][2]string
	for _, attribute := range attributes(t, der) {
		var id asn1.ObjectIdentifier
		var set, pair, name, value cryptobyte.String
		if !attribute.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidNameValue) {
			continue
		}
		if !attribute.ReadASN1(&set, cbasn1.SET) || !set.ReadASN1(&pair, cbasn1.SEQUENCE) ||
			!pair.ReadASN1(&name, cbasn1.Tag(30)) || !pair.ReadASN1(&value, cbasn1.Tag(30)) {
			t.Fatal("broken name/value pair")
		}
		all = append(all, [2]string{ascii(name), ascii(value)})
	}
	return all
}

// ascii reads UTF-16 that holds ASCII only.
func ascii(s []byte) string { return strings.ReplaceAll(string(s), "\x00", "") }
