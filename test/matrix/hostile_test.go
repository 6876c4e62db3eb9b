package matrix

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"testing"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

var (
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSID              = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}
	oidTemplateName     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2}
	oidOldExtensions    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 14}
	oidPrivate          = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

const (
	forgedSID = "S-1-5-21-1-1-1-500" // of an administrator
	honestSID = "S-1-5-21-1004336348-1177238915-682003330-1001"
	sidURI    = "tag:microsoft.com,2022-09-14:sid:"
)

func extend(id asn1.ObjectIdentifier, critical bool, value ...byte) func(*device.CSR) {
	return func(c *device.CSR) {
		c.Extensions = append(c.Extensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

// tlv encodes a value whose length fits into a byte.
func tlv(tag byte, value ...byte) []byte { return append([]byte{tag, byte(len(value))}, value...) }

// forge adds the extension by which a domain controller finds the account.
func forge(c *device.CSR) {
	name, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1})
	if err != nil {
		panic(err)
	}
	inner := tlv(0xa0, append(name, tlv(0xa0, tlv(0x04, []byte(forgedSID)...)...)...)...)
	extend(oidSID, false, tlv(0x30, inner...)...)(c)
}

func ask(usages ...asn1.ObjectIdentifier) func(*device.CSR) {
	return func(c *device.CSR) { c.ExtKeyUsage = append(c.ExtKeyUsage, usages...) }
}

func addSANs(sans ...device.SAN) func(*device.CSR) {
	return func(c *device.CSR) { c.SANs = append(c.SANs, sans...) }
}

// hostileRequest is one that Intune would approve and nobody should issue for.
// The log says why, unless step-ca could not even read the request.
type hostileRequest struct {
	change func(*device.CSR)
	why    string
}

var hostile = map[string]hostileRequest{
	"CA:TRUE":                      {extend(oidBasicConstraints, true, 0x30, 3, 1, 1, 0xff), "basic constraints"},
	"CA:TRUE, not critical":        {extend(oidBasicConstraints, false, 0x30, 3, 1, 1, 0xff), "basic constraints"},
	"CA:TRUE with a path length":   {extend(oidBasicConstraints, true, 0x30, 6, 1, 1, 0xff, 2, 1, 0), "basic constraints"},
	"keyCertSign":                  {func(c *device.CSR) { c.KeyUsage |= x509.KeyUsageCertSign }, "certSign"},
	"cRLSign":                      {func(c *device.CSR) { c.KeyUsage |= x509.KeyUsageCRLSign }, "crlSign"},
	"code signing":                 {ask(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}), "codeSigning"},
	"OCSP signing":                 {ask(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}), "ocspSigning"},
	"anyExtendedKeyUsage":          {ask(asn1.ObjectIdentifier{2, 5, 29, 37, 0}), "2.5.29.37.0"},
	"an unknown critical one":      {extend(oidPrivate, true, 5, 0), "1.3.6.1.4.1.99999.1 is critical"},
	"alternative names twice":      {extend(oidSubjectAltName, false, append([]byte{0x30, 10}, device.DNS("dc.other")...)...), ""},
	"a name with a NUL":            {addSANs(device.DNS("dc.contoso.example\x00.other.example")), "not printable ASCII"},
	"an IP address of five bytes":  {addSANs([]byte{0x87, 5, 192, 0, 2, 1, 1}), ""},
	"a UPN that is an integer":     {addSANs(slices.Concat([]byte{0xa0, 17, 6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3}, []byte{0xa0, 3, 2, 1, 1})), "user principal name"},
	"a usage that overflows":       {overflow, "extended key usage: not an object identifier"},
	"two lists of extensions":      {attribute(device.ExtensionRequest(pkix.Extension{Id: oidTemplateName, Value: []byte{5, 0}})), "more than one list"},
	"extensions as Microsoft once": {attribute(device.Attribute{Type: oidOldExtensions, Values: [][]byte{{0x30, 0}}}), oidOldExtensions.String()},
	"two challenge passwords":      {attribute(device.ChallengePassword(cbasn1.UTF8String, []byte("another"))), "more than one challenge"},
	"ten thousand names":           {func(c *device.CSR) { c.SANs = manyNames(10_000) }, "the request has more than"},
	"a hundred and one names":      {func(c *device.CSR) { c.SANs = manyNames(101) }, "more than 100 names"},
	"a subject of 64 kilobytes":    {func(c *device.CSR) { c.Subject = "CN=device-1,O=" + strings.Repeat("x", 64<<10) }, "the request has more than"},
	"a subject of 9 kilobytes":     {func(c *device.CSR) { c.Subject = "CN=device-1,O=" + strings.Repeat("x", 9<<10) }, "subject: more than"},
	"a subject with a NUL":         {func(c *device.CSR) { c.Subject = "CN=device-1\\00.contoso.example" }, "holds a NUL"},
	"neither subject nor names":    {func(c *device.CSR) { c.Subject, c.SANs = "", nil }, "neither a subject"},
	"a broken signature":           {func(c *device.CSR) { c.BreakSignature = true }, ""},
}

// overflow asks for a usage with a number of 49 bits in its identifier.
func overflow(c *device.CSR) {
	c.ExtKeyUsage = nil
	extend(oidExtKeyUsage, false, 0x30, 10, 6, 8, 0x2a, 0x8f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)(c)
}

func attribute(a device.Attribute) func(*device.CSR) {
	return func(c *device.CSR) { c.Attributes = append(c.Attributes, a) }
}

func manyNames(n int) (sans []device.SAN) {
	for i := range n {
		sans = append(sans, device.DNS(fmt.Sprintf("pc-%d.contoso.example", i)))
	}
	return sans
}

// approvable returns a request whose challenge is bound to nothing, so that
// Intune would approve whatever is made of it.
func (s *site) approvable(t *testing.T, change func(*device.CSR)) device.CSR {
	t.Helper()
	csr := device.Windows("CN=device-1", s.challenge(t, intunesim.Challenge{DeviceID: deviceID(t)}),
		device.UPN("alice@contoso.example"), device.URI(sidURI+honestSID))
	if change != nil {
		change(&csr)
	}
	return csr
}

// testHostile shows that Intune is not even asked about requests that could
// never become a certificate, nor told anything about them.
func testHostile(t *testing.T, s *site) {
	for name, h := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.enrol(t, "intune", s.approvable(t, h.change), unasked, h.why)
		})
	}
}

// testHarmless shows that extensions which mean something, but not when a device
// says it, are left out.
func testHarmless(t *testing.T, s *site) {
	for name, change := range map[string]func(*device.CSR){
		"a forged SID":                 forge,
		"a template's name":            extend(oidTemplateName, false, append([]byte{0x1e, 4}, "\x00D\x00C"...)...),
		"an unknown extension":         extend(oidPrivate, false, 5, 0),
		"a policy":                     extend(asn1.ObjectIdentifier{2, 5, 29, 32}, false, 0x30, 6, 0x30, 4, 6, 2, 0x2a, 3),
		"a CRL's address":              extend(asn1.ObjectIdentifier{2, 5, 29, 31}, false, 0x30, 0),
		"name constraints":             extend(asn1.ObjectIdentifier{2, 5, 29, 30}, false, 0x30, 0),
		"CA:FALSE":                     extend(oidBasicConstraints, true, 0x30, 0),
		"a name of an unknown kind":    addSANs([]byte{0x88, 3, 0x2a, 3, 4}),
		"nothing, which is a control":  nil,
		"a key identifier of its own":  extend(asn1.ObjectIdentifier{2, 5, 29, 14}, false, 4, 2, 1, 2),
		"another provisioner's name":   extend(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 37476, 9000, 64, 1}, false, 0x30, 0),
		"a Netscape certificate type":  extend(asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}, false, 3, 2, 0, 7),
		"an application policy":        extend(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 10}, false, 0x30, 6, 0x30, 4, 6, 2, 0x2a, 3),
		"a directory attribute":        extend(asn1.ObjectIdentifier{2, 5, 29, 9}, false, 0x30, 0),
		"an issuer's alternative name": extend(asn1.ObjectIdentifier{2, 5, 29, 18}, false, append([]byte{0x30, 10}, device.DNS("dc.other")...)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.inspect(t, s.enrol(t, "intune", s.approvable(t, change), issued, ""))
			if got, want := c.sans(), "othername: UPN:alice@contoso.example, URI:"+sidURI+honestSID; got != want {
				t.Errorf("names %q, want %q", got, want)
			}
			if others := c.others(); others != nil {
				t.Errorf("further extensions %q", others)
			}
			for _, e := range c.extensions {
				if strings.Contains(e.text, forgedSID) {
					t.Errorf("the forged SID stands in %s", e.name)
				}
			}
		})
	}
}
