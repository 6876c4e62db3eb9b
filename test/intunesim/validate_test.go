package intunesim_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

var clientAuth = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}

// everything is a challenge that binds all it can, goodCSR the request for it.
func everything() intunesim.Challenge {
	return intunesim.Challenge{
		Subject: `CN=device-1\, the first,OU=Devices,O=Contoso`,
		SANs: []intunesim.SAN{
			{Type: "email", Value: "alice@contoso.example"}, {Type: "upn", Value: "alice@contoso.example"},
			{Type: "dns", Value: "device-1.contoso.example"}, {Type: "ip", Value: "2001:DB8::1"},
			{Type: "uri", Value: "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1001"}, {Type: "uri", Value: "IntuneDeviceId://device-1"},
		},
		KeyUsage: []string{"keyEncipherment", "digitalSignature"}, ExtKeyUsage: []string{"clientAuth"}, KeyLength: 2048,
		DeviceID: "device-1", UserID: "alice", CertificateRequestID: "request-1",
		AADKeyIdentifiers: []string{"c29tZXRoaW5nIGVsc2U=", keyIdentifier(deviceKey())},
	}
}

func goodCSR(challenge string) device.CSR {
	return device.CSR{
		Subject: `CN=device-1\, the first,OU=Devices,O=Contoso`,
		SANs: []device.SAN{
			device.URI("IntuneDeviceId://device-1"), device.UPN("alice@contoso.example"), device.DNS("device-1.contoso.example"),
			device.Email("alice@contoso.example"), device.IP(netip.MustParseAddr("2001:db8::1")),
			device.URI("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1001"),
		},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []asn1.ObjectIdentifier{clientAuth},
		Challenge:   challenge,
		Key:         deviceKey(),
	}
}

func deviceKey() crypto.Signer { return device.Keys(1)[0] }

func keyIdentifier(key crypto.Signer) string {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	hash := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(hash[:])
}

// validations are certificate requests and what Intune says to them.
var validations = []struct {
	name      string
	challenge func(*intunesim.Challenge)
	csr       func(*device.CSR)
	sim       func(*intunesim.Server) // after the challenge was made
	code      string
}{
	{name: "a request that matches everything is approved", code: "Success"},
	{name: "a challenge that binds nothing approves anything", code: "Success",
		challenge: func(c *intunesim.Challenge) { *c = intunesim.Challenge{} }},
	{name: "a request without extensions is approved when none is bound", code: "Success",
		challenge: func(c *intunesim.Challenge) { *c = intunesim.Challenge{Subject: c.Subject} },
		csr:       func(c *device.CSR) { c.SANs, c.KeyUsage, c.ExtKeyUsage = nil, 0, nil }},
	{name: "a request of an earlier moment is approved until its challenge expires", code: "Success",
		sim: func(s *intunesim.Server) { s.Advance(59 * time.Minute) }},

	{name: "a broken signature of the request", code: "CertificateRequestDecodingFailed",
		csr: func(c *device.CSR) { c.BreakSignature = true }},
	{name: "no challenge", code: "ChallengePasswordMissing",
		csr: func(c *device.CSR) { c.Challenge = "" }},
	{name: "a challenge that is not base64", code: "ChallengeDecodingError",
		csr: func(c *device.CSR) { c.Challenge = "secret!" }},
	{name: "a challenge with a character too many", code: "ChallengeDecodingError",
		challenge: func(c *intunesim.Challenge) { c.Flaw = intunesim.FlawEncoding }},
	{name: "a challenge with a changed character", code: "ChallengeDecryptionError",
		csr: func(c *device.CSR) { c.Challenge = changed(c.Challenge, 1000) }},
	{name: "a challenge of bytes that nobody encrypted", code: "ChallengeDecryptionError",
		csr: func(c *device.CSR) { c.Challenge = "AAAA" }},
	{name: "a challenge with a changed byte", code: "ChallengeDecryptionError",
		challenge: func(c *intunesim.Challenge) { c.Flaw = intunesim.FlawEncryption }},
	{name: "a well encrypted something else", code: "ChallengeDeserializationError",
		challenge: func(c *intunesim.Challenge) { c.Flaw = intunesim.FlawFormat }},
	{name: "a challenge signed by a stranger", code: "SignatureValidationFailed",
		challenge: func(c *intunesim.Challenge) { c.Flaw = intunesim.FlawSignature }},
	{name: "a challenge of another signing certificate", code: "SigningCertThumbprintMismatch",
		challenge: func(c *intunesim.Challenge) { c.Flaw = intunesim.FlawThumbprint }},
	{name: "a challenge that ends before it begins", code: "ChallengeInvalidTimestamp",
		challenge: func(c *intunesim.Challenge) { c.Flaw = intunesim.FlawTimestamp }},
	{name: "a challenge of the past that ends before it begins", code: "ChallengeInvalidTimestamp",
		challenge: func(c *intunesim.Challenge) { c.Flaw, c.ExpiresIn = intunesim.FlawTimestamp, -time.Second }},
	{name: "a challenge from the future", code: "ChallengeInvalidTimestamp",
		sim: func(s *intunesim.Server) { s.Advance(-10 * time.Minute) }},
	{name: "a challenge made expired", code: "ChallengeExpired",
		challenge: func(c *intunesim.Challenge) { c.ExpiresIn = -time.Second }},
	{name: "a challenge after an hour", code: "ChallengeExpired",
		sim: func(s *intunesim.Server) { s.Advance(61 * time.Minute) }},
	{name: "a challenge of another tenant", code: "BadTenantIdInChallenge",
		challenge: func(c *intunesim.Challenge) { c.TenantID = "99999999-0000-0000-0000-000000000000" }},

	{name: "a device that was deleted", code: "BadDeviceIdInChallenge",
		sim: func(s *intunesim.Server) { s.Remove(intunesim.Removal{DeviceID: "device-1"}) }},
	{name: "a device that uses another's challenge", code: "BadDeviceIdInChallenge",
		challenge: func(c *intunesim.Challenge) { c.SANs, c.DeviceID = nil, "device-2" }},
	{name: "a user who was deleted", code: "BadUserIdInChallenge",
		sim: func(s *intunesim.Server) { s.Remove(intunesim.Removal{UserID: "alice"}) }},
	{name: "a certificate request that was deleted", code: "BadCertificateRequestIdInChallenge",
		sim: func(s *intunesim.Server) { s.Remove(intunesim.Removal{CertificateRequestID: "request-1"}) }},
	{name: "a device that the profile no longer targets", code: "ScepProfileNoLongerTargetedToTheClient",
		sim: func(s *intunesim.Server) { s.Untarget("device-1") }},

	{name: "no subject", code: "SubjectNameMissing",
		csr: func(c *device.CSR) { c.Subject = "" }},
	{name: "another common name", code: "SubjectNameMismatch",
		csr: func(c *device.CSR) { c.Subject = strings.Replace(c.Subject, "device-1", "device-2", 1) }},
	{name: "a subject with one part more", code: "SubjectNameMismatch",
		csr: func(c *device.CSR) { c.Subject += ",C=GB" }},
	{name: "a subject in another order", code: "SubjectNameMismatch",
		csr: func(c *device.CSR) { c.Subject = `O=Contoso,OU=Devices,CN=device-1\, the first` }},
	{name: "no subject alternative names", code: "SubjectAltNameMissing",
		csr: func(c *device.CSR) { c.SANs = nil }},
	{name: "names where none may be", code: "SubjectAltNameMismatch",
		challenge: func(c *intunesim.Challenge) { c.SANs = []intunesim.SAN{} }},
	{name: "one name more", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs = append(c.SANs, device.DNS("www.contoso.example")) }},
	{name: "one name less", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs = c.SANs[1:] }},
	{name: "a name of an unknown kind", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs = append(c.SANs, device.SAN{0x88, 3, 0x2a, 3, 4}) }},
	{name: "another user's principal name", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs[1] = device.UPN("mallory@contoso.example") }},
	{name: "another host name", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs[2] = device.DNS("device-2.contoso.example") }},
	{name: "another e-mail address", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs[3] = device.Email("mallory@contoso.example") }},
	{name: "another IP address", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs[4] = device.IP(netip.MustParseAddr("2001:db8::2")) }},
	{name: "another security identifier", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs[5] = device.URI("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500") }},
	{name: "the same text as a name of another kind", code: "SubjectAltNameMismatch",
		csr: func(c *device.CSR) { c.SANs[2] = device.Email("device-1.contoso.example") }},
	{name: "one key usage more", code: "KeyUsageMismatch",
		csr: func(c *device.CSR) { c.KeyUsage |= x509.KeyUsageCertSign }},
	{name: "one key usage less", code: "KeyUsageMismatch",
		csr: func(c *device.CSR) { c.KeyUsage = x509.KeyUsageDigitalSignature }},
	{name: "no key usage", code: "KeyUsageMismatch",
		csr: func(c *device.CSR) { c.KeyUsage = 0 }},
	{name: "a shorter key than bound", code: "KeyLengthMismatch",
		challenge: func(c *intunesim.Challenge) { c.KeyLength = 4096 }},
	{name: "a key of another kind", code: "KeyLengthMismatch",
		csr: func(c *device.CSR) { c.Key = ecKey() }},
	{name: "no extended key usage", code: "EnhancedKeyUsageMissing",
		csr: func(c *device.CSR) { c.ExtKeyUsage = nil }},
	{name: "one extended key usage more", code: "EnhancedKeyUsageMismatch",
		csr: func(c *device.CSR) { c.ExtKeyUsage = append(c.ExtKeyUsage, asn1.ObjectIdentifier{2, 5, 29, 37, 0}) }},
	{name: "another extended key usage", code: "EnhancedKeyUsageMismatch",
		challenge: func(c *intunesim.Challenge) { c.ExtKeyUsage = []string{"1.3.6.1.4.1.311.20.2.2"} }},
	{name: "a list of registered keys that is missing", code: "AadKeyIdentifierListMissing",
		challenge: func(c *intunesim.Challenge) { c.AADKeyIdentifiers = []string{} }},
	{name: "a key that is not registered", code: "RegisteredKeyMismatch",
		csr: func(c *device.CSR) { c.Key = device.Keys(2)[1] }},
}

func TestValidation(t *testing.T) {
	for _, test := range validations {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sim := start(t, intunesim.Options{})
			challenge := everything()
			if test.challenge != nil {
				test.challenge(&challenge)
			}
			csr := goodCSR(newChallenge(t, sim, challenge))
			if test.csr != nil {
				test.csr(&csr)
			}
			if test.sim != nil {
				test.sim(sim)
			}
			der := build(t, csr)
			c := newCaller(t, sim)
			// Intune answers the same when asked again.
			for range 2 {
				if got := c.validate("transaction-1", der); got != test.code {
					t.Fatalf("code %q, want %q", got, test.code)
				}
			}
			want := "Unknown"
			if test.code == "Success" {
				want = "Success"
			}
			if test.code == "CertificateRequestDecodingFailed" {
				want = test.code
			}
			if got := c.code("successNotification", success("transaction-1", der, nil)); got != want {
				t.Errorf("the notification after %s got %q, want %q", test.code, got, want)
			}
		})
	}
}

// The codes that Microsoft documents or was seen to send.
const codes = `Unknown Success CertificateRequestDecodingFailed ChallengePasswordMissing ChallengeDeserializationError
	ChallengeDecryptionError ChallengeDecodingError ChallengeInvalidTimestamp ChallengeExpired SubjectNameMissing SubjectNameMismatch
	SubjectAltNameMissing SubjectAltNameMismatch KeyUsageMismatch KeyLengthMismatch EnhancedKeyUsageMissing EnhancedKeyUsageMismatch
	AadKeyIdentifierListMissing RegisteredKeyMismatch SigningCertThumbprintMismatch ScepProfileNoLongerTargetedToTheClient
	SignatureValidationFailed BadCertificateRequestIdInChallenge BadDeviceIdInChallenge BadUserIdInChallenge BadTenantIdInChallenge`

func TestEveryCodeIsProvokedByARequest(t *testing.T) {
	provoked := map[string]bool{}
	for _, test := range validations {
		provoked[test.code] = true
	}
	var rest []string
	for _, code := range strings.Fields(codes) {
		if !provoked[code] {
			rest = append(rest, code)
		}
		delete(provoked, code)
	}
	if !slices.Equal(rest, []string{"Unknown"}) {
		t.Errorf("no request provokes %v", rest)
	}
	if len(provoked) > 0 {
		t.Errorf("nobody knows the codes %v", slices.Collect(maps.Keys(provoked)))
	}
}

func TestEveryCodeIsProvokedByAFault(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	der := build(t, goodCSR(newChallenge(t, sim, everything())))
	for _, code := range strings.Fields(codes + " NeverSeenBefore") {
		addFault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Times: 1, Code: code})
		if got := c.validate("transaction-1", der); got != code {
			t.Errorf("code %q, want %q", got, code)
		}
	}
}

func TestRequestsThatAreNoneCannotBeDecoded(t *testing.T) {
	c := newCaller(t, start(t, intunesim.Options{}))
	for name, body := range map[string]string{"not base64": "***", "not DER": "c2VjcmV0"} {
		request := validation("transaction-1", nil)
		request["request"].(object)["certificateRequest"] = body
		if got := c.code("validateRequest", request); got != "CertificateRequestDecodingFailed" {
			t.Errorf("%s got %q", name, got)
		}
	}
}

func TestSubjectsAreComparedAsNames(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	for i, test := range []struct{ challenge, csr, code string }{
		{"CN=a, O=b", "CN=a,O=b", "Success"},
		{"cn=a,emailAddress=a@b.example", "CN=a,E=a@b.example", "Success"},
		{"CN=a+UID=b,DC=c", "UID=b+CN=a,DC=c", "Success"},
		{"2.5.4.3=a", "CN=a", "Success"},
		{"CN=#0c0161", "CN=a", "Success"},
		{`CN=\C3\A4\, \"\#`, "CN=ä\\, \\\"\\#", "Success"},
		{`CN="a, b"`, `CN=a\, b`, "Success"},
		{"CN=a", "CN=A", "SubjectNameMismatch"},
		{"CN=a,OU=b+OU=c", "CN=a,OU=b,OU=c", "SubjectNameMismatch"},
		{"CN=a", "OU=a", "SubjectNameMismatch"},
	} {
		challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: test.challenge})
		if err != nil {
			if test.code == "Success" {
				t.Error(err)
			}
			continue
		}
		got := c.validate(fmt.Sprint(i), build(t, device.CSR{Subject: test.csr, Challenge: challenge, Key: deviceKey()}))
		if got != test.code {
			t.Errorf("challenge for %s, request of %s: %q, want %q", test.challenge, test.csr, got, test.code)
		}
	}
}

func TestChallengesAreAsLongAsRealOnes(t *testing.T) {
	sim := start(t, intunesim.Options{})
	for range 50 {
		for _, c := range []intunesim.Challenge{{}, everything()} {
			challenge := newChallenge(t, sim, c)
			if n := len(challenge); n < 2000 || n > 4096 {
				t.Fatalf("a challenge of %d characters", n)
			}
		}
	}
}

func TestChallengesThatNobodyCouldMeetAreNotMade(t *testing.T) {
	sim := start(t, intunesim.Options{})
	for name, c := range map[string]intunesim.Challenge{
		"subject":             {Subject: "device-1"},
		"subject's attribute": {Subject: "XX=device-1"},
		"SAN's type":          {SANs: []intunesim.SAN{{Type: "phone", Value: "1"}}},
		"SAN's value":         {SANs: []intunesim.SAN{{Type: "dns"}}},
		"IP address":          {SANs: []intunesim.SAN{{Type: "ip", Value: "1.2.3"}}},
		"key usage":           {KeyUsage: []string{"everything"}},
		"extended key usage":  {ExtKeyUsage: []string{"everything"}},
		"key length":          {KeyLength: -1},
		"flaw":                {Flaw: "ugly"},
	} {
		if _, err := sim.NewChallenge(c); err == nil {
			t.Errorf("a challenge with an impossible %s was made", name)
		}
	}
}

// changed swaps one character of base64 for another.
func changed(s string, at int) string {
	other := byte('A')
	if s[at] == other {
		other = 'B'
	}
	return s[:at] + string(other) + s[at+1:]
}

func ecKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}
