package matrix

import (
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"slices"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// platform is the shape of the requests that a kind of devices sends.
type platform struct {
	name string
	path string // after the provisioner's URL

	// base makes a request without usages; withUsage tells whether extended key
	// usages belong in it, and validity how the profile's is asked for.
	base      func(subject, challenge string, sans ...device.SAN) device.CSR
	withUsage bool
	validity  func(number, unit string) []device.Attribute
}

var platforms = []platform{
	{name: "Windows", path: "/pkiclient.exe", base: device.Windows, withUsage: true, validity: askValidity},
	{name: "iOS", base: device.IPhone},
	{name: "macOS", base: device.IPhone},
	{name: "Android", base: device.Android, withUsage: true, validity: askValiditySwapped},
	{name: "Android Enterprise", base: device.Android, withUsage: true, validity: askValidity},
}

func askValidity(number, unit string) []device.Attribute {
	return []device.Attribute{
		device.NameValuePair("ValidityPeriod", unit),
		device.NameValuePair("ValidityPeriodUnits", number),
	}
}

func askValiditySwapped(number, unit string) []device.Attribute { return askValidity(unit, number) }

// scepProfile is what an administrator sets in a SCEP profile of Intune, filled
// in for a device. Subject is as openssl writes it: RFC 2253, without spaces.
type scepProfile struct {
	subject      string
	sans         []intunesim.SAN
	keyUsage     x509.KeyUsage
	extKeyUsage  string // dotted
	keyLength    int
	number, unit string // of the validity
}

var keyUsageNames = map[x509.KeyUsage][]string{
	x509.KeyUsageDigitalSignature: {"digitalSignature"},
	x509.KeyUsageKeyEncipherment:  {"keyEncipherment"},
	signatureAndEncipherment:      {"digitalSignature", "keyEncipherment"},
}

// request returns a device's answer to the profile, with a challenge that is
// bound to every property that the device sends.
func (p platform) request(t *testing.T, s *site, profile scepProfile) *device.Request {
	t.Helper()
	bound := intunesim.Challenge{
		Subject:   profile.subject,
		SANs:      append([]intunesim.SAN{}, profile.sans...),
		KeyUsage:  keyUsageNames[profile.keyUsage],
		KeyLength: profile.keyLength,
		DeviceID:  deviceID(t),
	}
	if p.withUsage {
		bound.ExtKeyUsage = []string{profile.extKeyUsage}
	}
	csr := p.base(profile.subject, s.challenge(t, bound), deviceSANs(profile.sans)...)
	csr.Key = key(t, profile.keyLength)
	csr.KeyUsage = profile.keyUsage
	if csr.ExtKeyUsage = nil; p.withUsage {
		csr.ExtKeyUsage = []asn1.ObjectIdentifier{oid(t, profile.extKeyUsage)}
	}
	pair := device.NameValuePair("", "").Type
	csr.Attributes = slices.DeleteFunc(csr.Attributes, func(a device.Attribute) bool { return a.Type.Equal(pair) })
	if p.validity != nil {
		csr.Attributes = append(csr.Attributes, p.validity(profile.number, profile.unit)...)
	}
	r, err := csr.Build()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// deviceID is a device of the test's own.
func deviceID(t *testing.T) string { return t.Name() }

func oid(t *testing.T, dotted string) asn1.ObjectIdentifier {
	t.Helper()
	parsed, err := x509.ParseOID(dotted)
	if err != nil {
		t.Fatal(err)
	}
	var id asn1.ObjectIdentifier
	text, err := parsed.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	der := append([]byte{asn1.TagOID, byte(len(text))}, text...)
	if _, err := asn1.Unmarshal(der, &id); err != nil {
		t.Fatal(err)
	}
	return id
}

func deviceSANs(sans []intunesim.SAN) (all []device.SAN) {
	for _, san := range sans {
		switch san.Type {
		case "upn":
			all = append(all, device.UPN(san.Value))
		case "dns":
			all = append(all, device.DNS(san.Value))
		case "email":
			all = append(all, device.Email(san.Value))
		case "uri":
			all = append(all, device.URI(san.Value))
		case "ip":
			all = append(all, device.IP(netip.MustParseAddr(san.Value)))
		}
	}
	return all
}
