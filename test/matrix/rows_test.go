package matrix

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

const (
	signatureAndEncipherment = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

	oidClientAuth  = "1.3.6.1.5.5.7.3.2"
	oidIPsecTunnel = "1.3.6.1.5.5.7.3.6"

	halfYear = 4380 * time.Hour
)

// row is a scenario of Microsoft's test matrix. Without anything else it is a
// request that gets a certificate.
type row struct {
	name    string
	profile scepProfile

	// shown is the part of the certificate that the scenario is about.
	shown func(c *certificate) string

	// entry is the provisioner, and appleEntry the one for Apple's devices,
	// which do not ask for everything. Default: intune.
	entry, appleEntry string

	fate     fate
	fault    intunesim.Fault
	sha1     bool // signs the request; not offered for Apple's devices
	renew    bool // a second time
	validity time.Duration
	why      string // of a refusal
}

// plain is the profile that the rows differ from in one point each.
var plain = scepProfile{
	subject:     "CN=alice,O=Contoso",
	sans:        []intunesim.SAN{{Type: "upn", Value: "alice@contoso.example"}},
	keyUsage:    signatureAndEncipherment,
	extKeyUsage: oidClientAuth,
	keyLength:   2048,
	number:      "1", unit: "Years",
}

func with(change func(p *scepProfile)) scepProfile {
	p := plain
	change(&p)
	return p
}

func subject(s string) scepProfile { return with(func(p *scepProfile) { p.subject = s }) }

func sans(sans ...intunesim.SAN) scepProfile { return with(func(p *scepProfile) { p.sans = sans }) }

func keyUsage(u x509.KeyUsage) scepProfile { return with(func(p *scepProfile) { p.keyUsage = u }) }

func keyLength(bits int) scepProfile { return with(func(p *scepProfile) { p.keyLength = bits }) }

func extKeyUsage(oid string) scepProfile {
	return with(func(p *scepProfile) { p.extKeyUsage = oid })
}

func showSubject(c *certificate) string     { return c.subject }
func showSANs(c *certificate) string        { return c.sans() }
func showKeyUsage(c *certificate) string    { return c.find(extKU).text }
func showExtKeyUsage(c *certificate) string { return c.find(extEKU).text }
func showKeySize(c *certificate) string     { return strconv.Itoa(c.keyBits) + " bits" }
func showSignature(c *certificate) string   { return c.signature }

func showValidity(c *certificate) string {
	return strings.TrimSuffix(c.validity().String(), "0m0s")
}

var (
	email = intunesim.SAN{Type: "email", Value: "alice@contoso.example"}
	upn   = intunesim.SAN{Type: "upn", Value: "alice@contoso.example"}
)

var rows = []row{
	{name: "Validity: 6 months", entry: "validity", appleEntry: "half-year", validity: halfYear, shown: showValidity,
		profile: with(func(p *scepProfile) { p.number, p.unit = "6", "Months" })},

	{name: "Subject: common name", profile: subject("CN=alice"), shown: showSubject},
	{name: "Subject: common name with e-mail", profile: subject("CN=alice,emailAddress=alice@contoso.example"), shown: showSubject},
	{name: "Subject: common name as e-mail", profile: subject("CN=alice@contoso.example"), shown: showSubject},
	{name: "Subject: IMEI", profile: subject("CN=490154203237518"), shown: showSubject},
	{name: "Subject: serial number", profile: subject("CN=C02XK1JTJG5H"), shown: showSubject},
	{name: "Subject: custom", shown: showSubject, profile: subject(
		"CN=Zoë Müller,serialNumber=C02XK1JTJG5H,OU=Vertrieb\\, Süd,O=Contoso,L=Zürich,ST=ZH,C=CH,DC=contoso,DC=example")},

	{name: "Alternative name: e-mail", profile: sans(email), shown: showSANs},
	{name: "Alternative name: UPN", profile: sans(upn), shown: showSANs},
	{name: "Alternative names: e-mail and UPN", profile: sans(email, upn), shown: showSANs},

	{name: "Key usage: digital signature", profile: keyUsage(x509.KeyUsageDigitalSignature), shown: showKeyUsage},
	{name: "Key usage: key encipherment", profile: keyUsage(x509.KeyUsageKeyEncipherment), shown: showKeyUsage},
	{name: "Key usage: both", profile: keyUsage(signatureAndEncipherment), shown: showKeyUsage},

	{name: "Key size: 1024", profile: keyLength(1024), fate: unasked, why: "too short; Intune is not asked"},
	{name: "Key size: 2048", profile: keyLength(2048), shown: showKeySize},
	{name: "Key size: 3072", profile: keyLength(3072), shown: showKeySize},
	{name: "Key size: 4096", profile: keyLength(4096), shown: showKeySize},

	{name: "Hash algorithm: SHA-1", profile: plain, sha1: true, shown: showSignature},
	{name: "Hash algorithm: SHA-2", profile: plain, shown: showSignature},

	{name: "Extended key usage: client authentication", profile: extKeyUsage(oidClientAuth), shown: showExtKeyUsage},
	{name: "Extended key usage: IPsec tunnel", profile: extKeyUsage(oidIPsecTunnel), appleEntry: "ipsec", shown: showExtKeyUsage},

	{name: "Renewal", profile: plain, renew: true,
		shown: func(*certificate) string { return "another key, another serial number; Intune lists both" }},

	{name: "The challenge is refused", profile: plain, fate: denied, why: "Intune has not approved",
		fault: intunesim.Fault{Operation: intunesim.OpValidate, Code: "ChallengeDecryptionError"}},
	{name: "HTTP 500 from the validation", profile: plain, fate: denied, why: "Intune has not approved",
		fault: intunesim.Fault{Operation: intunesim.OpValidate, Status: http.StatusInternalServerError}},
	{name: "HTTP 500 from the success notification", profile: plain, fate: unreported, why: "signed and withheld",
		fault: intunesim.Fault{Operation: intunesim.OpSuccess, Status: http.StatusInternalServerError}},
	{name: "Entra ID refuses the application's key", profile: plain, entry: "wrong-key", fate: unasked, why: "Intune cannot be asked"},
}

func (r row) provisioner(p platform) string {
	switch {
	case !p.withUsage && r.appleEntry != "":
		return r.appleEntry
	case r.entry != "":
		return r.entry
	}
	return "intune"
}

// problems compares everything in a certificate with the profile.
func (r row) problems(c *certificate) (list []string) {
	want := r.profile
	validity := r.validity
	if validity == 0 {
		validity = 2 * halfYear
	}
	for _, test := range []struct{ what, got, want string }{
		{"subject", c.subject, want.subject},
		{"alternative names", c.sans(), sansText(want.sans)},
		{"key usage", c.find(extKU).text, keyUsageText[want.keyUsage]},
		{"extended key usage", c.find(extEKU).text, extKeyUsageText[want.extKeyUsage]},
		{"key size", strconv.Itoa(c.keyBits), strconv.Itoa(want.keyLength)},
		{"signature algorithm", c.signature, "sha256WithRSAEncryption"},
		{"validity", c.validity().String(), validity.String()},
		{"other extensions", strings.Join(c.others(), ", "), ""},
	} {
		if test.got != test.want {
			list = append(list, fmt.Sprintf("%s: got %q, want %q", test.what, test.got, test.want))
		}
	}
	if san := c.find(extSAN); san.critical {
		list = append(list, "the alternative names are critical")
	}
	if age := time.Since(c.notBefore); age < 0 || age > 5*time.Minute {
		list = append(list, "valid from "+c.notBefore.String())
	}
	return list
}

// What openssl calls usages and kinds of names.
var (
	keyUsageText = map[x509.KeyUsage]string{
		x509.KeyUsageDigitalSignature: "Digital Signature",
		x509.KeyUsageKeyEncipherment:  "Key Encipherment",
		signatureAndEncipherment:      "Digital Signature, Key Encipherment",
	}
	extKeyUsageText = map[string]string{
		oidClientAuth:  "TLS Web Client Authentication",
		oidIPsecTunnel: "IPSec Tunnel",
	}
	sanText = map[string]string{"email": "email:", "upn": "othername: UPN:", "dns": "DNS:", "uri": "URI:", "ip": "IP Address:"}
)

func sansText(sans []intunesim.SAN) string {
	var names []string
	for _, san := range sans {
		names = append(names, sanText[san.Type]+san.Value)
	}
	return strings.Join(names, ", ")
}
