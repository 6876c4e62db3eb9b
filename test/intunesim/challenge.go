package intunesim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Challenge says what a SCEP challenge is made for. A property that is left out
// is not checked when the challenge comes back in a certificate request.
type Challenge struct {
	// Subject in RFC 4514's form. Names are equal when they have the same
	// attributes in the same order, whatever string types encode them.
	Subject string
	// SANs that the request must have: these and no others, in any order and
	// compared as they stand. Empty but not nil: none.
	SANs []SAN
	// KeyUsage names the usages as RFC 5280 does; the request must have exactly these.
	KeyUsage []string
	// ExtKeyUsage are names such as clientAuth, or OIDs; the request must have exactly these.
	ExtKeyUsage []string
	// KeyLength in bits; the request's key must have exactly this one.
	KeyLength int
	// ExpiresIn is one hour when zero, as at Intune; negative: expired already.
	ExpiresIn time.Duration
	// DeviceID and UserID appear in Certificates. A request with a URI name
	// IntuneDeviceId://<id> must name this device.
	DeviceID, UserID string
	// TenantID is the tenant's own when empty; any other is refused.
	TenantID string
	// CertificateRequestID is a new UUID when empty.
	CertificateRequestID string
	// AADKeyIdentifiers are the keys registered for the device, each the
	// SHA-256 of the DER SubjectPublicKeyInfo in base64. The request's key must be
	// among them; empty but not nil is a list that is missing.
	AADKeyIdentifiers []string
	// Flaw makes a challenge that is wrong in itself.
	Flaw Flaw
}

// Flaw is a way in which a challenge can be wrong whatever the request says.
type Flaw string

// The flaws, each with the code that it causes.
const (
	FlawEncoding   Flaw = "encoding"   // not base64: ChallengeDecodingError
	FlawEncryption Flaw = "encryption" // a changed byte: ChallengeDecryptionError
	FlawFormat     Flaw = "format"     // no challenge inside: ChallengeDeserializationError
	FlawSignature  Flaw = "signature"  // signed by a stranger: SignatureValidationFailed
	FlawThumbprint Flaw = "thumbprint" // names another signing certificate: SigningCertThumbprintMismatch
	FlawTimestamp  Flaw = "timestamp"  // impossible times: ChallengeInvalidTimestamp
)

var flaws = []Flaw{"", FlawEncoding, FlawEncryption, FlawFormat, FlawSignature, FlawThumbprint, FlawTimestamp}

// challengeJSON is Challenge on the wire, as POST /_sim/challenges takes it.
type challengeJSON struct {
	Subject              string   `json:"subject,omitempty"`
	SANs                 []SAN    `json:"sans,omitzero"`
	KeyUsage             []string `json:"keyUsage,omitzero"`
	ExtKeyUsage          []string `json:"extKeyUsage,omitzero"`
	KeyLength            int      `json:"keyLength,omitempty"`
	ExpiresIn            duration `json:"expiresIn,omitempty"`
	DeviceID             string   `json:"deviceID,omitempty"`
	UserID               string   `json:"userID,omitempty"`
	TenantID             string   `json:"tenantID,omitempty"`
	CertificateRequestID string   `json:"certificateRequestID,omitempty"`
	AADKeyIdentifiers    []string `json:"aadKeyIdentifiers,omitzero"`
	Flaw                 Flaw     `json:"flaw,omitempty"`
}

// MarshalJSON writes what POST /_sim/challenges takes.
func (c Challenge) MarshalJSON() ([]byte, error) {
	return json.Marshal(challengeJSON{
		c.Subject, c.SANs, c.KeyUsage, c.ExtKeyUsage, c.KeyLength, duration(c.ExpiresIn),
		c.DeviceID, c.UserID, c.TenantID, c.CertificateRequestID, c.AADKeyIdentifiers, c.Flaw,
	})
}

// UnmarshalJSON reads what POST /_sim/challenges takes; unknown keys are an error.
func (c *Challenge) UnmarshalJSON(data []byte) error {
	var j challengeJSON
	if err := decodeStrict(bytes.NewReader(data), &j); err != nil {
		return err
	}
	*c = Challenge{
		j.Subject, j.SANs, j.KeyUsage, j.ExtKeyUsage, j.KeyLength, time.Duration(j.ExpiresIn),
		j.DeviceID, j.UserID, j.TenantID, j.CertificateRequestID, j.AADKeyIdentifiers, j.Flaw,
	}
	return nil
}

// payload is the signed inside of a challenge.
type payload struct {
	TenantID              string   `json:"tenantId"`
	DeviceID              string   `json:"deviceId"`
	UserID                string   `json:"userId"`
	CertificateRequestID  string   `json:"certificateRequestId"`
	NotBefore             string   `json:"notBefore"`
	NotAfter              string   `json:"notAfter"`
	Subject               string   `json:"subject"`
	SANs                  []SAN    `json:"sans"`
	KeyUsage              []string `json:"keyUsage"`
	ExtKeyUsage           []string `json:"extKeyUsage"`
	KeyLength             int      `json:"keyLength"`
	AADKeyIdentifiers     []string `json:"aadKeyIdentifiers"`
	SigningCertThumbprint string   `json:"signingCertThumbprint"`
}

// NewChallenge makes a challenge: signed, encrypted, between two and four
// kilobytes of base64.
func (s *Server) NewChallenge(c Challenge) (string, error) {
	p, err := c.payload(s.challenges.tenantID, s.Now())
	if err != nil {
		return "", err
	}
	return s.challenges.seal(p, c.Flaw)
}

// payload checks the properties and brings them into the form that match compares.
func (c Challenge) payload(tenantID string, now time.Time) (*payload, error) {
	p := &payload{
		TenantID: tenantID, DeviceID: c.DeviceID, UserID: c.UserID, CertificateRequestID: c.CertificateRequestID,
		Subject: c.Subject, KeyLength: c.KeyLength, AADKeyIdentifiers: c.AADKeyIdentifiers,
	}
	if c.TenantID != "" {
		p.TenantID = c.TenantID
	}
	if p.CertificateRequestID == "" {
		p.CertificateRequestID = uuid.NewString()
	}
	if !slices.Contains(flaws, c.Flaw) {
		return nil, fmt.Errorf("unknown flaw %q", c.Flaw)
	}
	if c.Subject != "" {
		if _, err := parseDN(c.Subject); err != nil {
			return nil, fmt.Errorf("subject %q: %w", c.Subject, err)
		}
	}
	if c.KeyLength < 0 {
		return nil, errors.New("a key length cannot be negative")
	}
	var err error
	if p.SANs, err = canonicalSANs(c.SANs); err != nil {
		return nil, err
	}
	if p.KeyUsage, err = each(c.KeyUsage, canonicalKeyUsage); err != nil {
		return nil, err
	}
	if p.ExtKeyUsage, err = each(c.ExtKeyUsage, canonicalExtKeyUsage); err != nil {
		return nil, err
	}
	life := c.ExpiresIn
	if life == 0 {
		life = time.Hour
	}
	notAfter, notBefore := now.Add(life), now
	if life < 0 {
		notBefore = notAfter.Add(-time.Hour)
	}
	if c.Flaw == FlawTimestamp {
		notBefore, notAfter = notAfter, notBefore
	}
	p.NotBefore, p.NotAfter = notBefore.UTC().Format(time.RFC3339Nano), notAfter.UTC().Format(time.RFC3339Nano)
	return p, nil
}

// each maps and sorts names; nil stays nil.
func each(names []string, canonical func(string) (string, error)) ([]string, error) {
	if names == nil {
		return nil, nil
	}
	out := []string{}
	for _, name := range names {
		one, err := canonical(name)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func canonicalKeyUsage(name string) (string, error) {
	if strings.EqualFold(name, "nonRepudiation") { // RFC 2459's word
		name = "contentCommitment"
	}
	for _, known := range keyUsageNames {
		if strings.EqualFold(name, known) {
			return known, nil
		}
	}
	return "", fmt.Errorf("unknown key usage %q", name)
}

func canonicalExtKeyUsage(name string) (string, error) {
	for known, oid := range extKeyUsageOIDs {
		if strings.EqualFold(name, known) {
			return oid, nil
		}
	}
	if isOID(name) {
		return name, nil
	}
	return "", fmt.Errorf("unknown extended key usage %q", name)
}

func canonicalSANs(sans []SAN) ([]SAN, error) {
	if sans == nil {
		return nil, nil
	}
	out := []SAN{}
	for _, san := range sans {
		switch {
		case !slices.Contains([]string{"email", "upn", "dns", "uri", "ip"}, san.Type):
			return nil, fmt.Errorf("unknown SAN type %q", san.Type)
		case san.Value == "":
			return nil, fmt.Errorf("SAN of type %q without value", san.Type)
		case san.Type == "ip":
			ip, err := netip.ParseAddr(san.Value)
			if err != nil {
				return nil, fmt.Errorf("SAN %q is no IP address", san.Value)
			}
			san.Value = ip.String()
		}
		out = append(out, san)
	}
	return sortedSANs(out), nil
}
