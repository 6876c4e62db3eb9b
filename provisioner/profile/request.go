package profile

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSAN              = stdasn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage         = stdasn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage      = stdasn1.ObjectIdentifier{2, 5, 29, 37}
	oidBasicConstraints = stdasn1.ObjectIdentifier{2, 5, 29, 19}
)

// RefusedError says why a request can never become a certificate under the
// profile. The reason is for the log; it holds no secret.
type RefusedError struct {
	Reason string
}

// Error implements error.
func (e *RefusedError) Error() string { return "request refused by the profile: " + e.Reason }

// Request is what a certificate request may turn into. It never changes and
// may be used by any number of goroutines.
type Request struct {
	// RawSubject is the subject, byte for byte.
	RawSubject []byte
	// SANs holds the names that the certificate will carry, in order.
	SANs []SAN
	// Dropped describes, for the log, names and extensions that the request
	// asks for and the certificate will not have.
	Dropped []string

	profile   *Profile
	publicKey *rsa.PublicKey
	keyUsage  x509.KeyUsage // what the request asks for, or the default
	usages    []usage       // likewise
	validity  time.Duration // 0: none asked for, or not allowed to
	sid       string
	san       *pkix.Extension // nil without names
	sidExt    *pkix.Extension // nil without SID
	ignored   []pkix.Extension
}

// Read reads a PKCS #10 request in DER, which nobody may change afterwards. An error is a
// [*RefusedError].
func (p *Profile) Read(der []byte) (*Request, error) {
	r, err := p.read(der)
	if err == nil {
		err = checkSignature(der)
	}
	if err != nil {
		return nil, &RefusedError{Reason: err.Error()}
	}
	return r, nil
}

// checkSignature also makes sure that step-ca's parser reads the request.
func checkSignature(der []byte) error {
	parsed, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return fmt.Errorf("not a request that step-ca can read: %.200s", err)
	}
	if err := parsed.CheckSignature(); err != nil {
		return errors.New("the request's signature is not good")
	}
	return nil
}

func (p *Profile) read(der []byte) (*Request, error) {
	c, err := parseCSR(der)
	if err != nil {
		return nil, err
	}
	r := &Request{
		RawSubject: c.subject,
		keyUsage:   defaultKeyUsage,
		profile:    p,
		usages:     p.defaultUsages,
	}
	name, err := parseName(c.subject)
	if err != nil {
		return nil, err
	}
	if r.publicKey, err = p.readKey(c.key); err != nil {
		return nil, err
	}
	for _, extension := range c.extensions {
		if err := r.readExtension(extension); err != nil {
			return nil, err
		}
	}
	if len(name) == 0 && len(r.SANs) == 0 {
		return nil, errors.New("neither a subject nor an alternative name that may stand in a certificate")
	}
	if p.useValidity {
		if r.validity, err = requestedValidity(c.pairs); err != nil {
			return nil, err
		}
	}
	return r, r.makeExtensions(len(name) == 0)
}

// readExtension takes out of an extension what may stand in the certificate.
func (r *Request) readExtension(extension pkix.Extension) (err error) {
	switch {
	case extension.Id.Equal(oidSAN):
		return r.readSANs(extension.Value)
	case extension.Id.Equal(oidKeyUsage):
		if r.keyUsage, err = parseKeyUsage(extension.Value); err != nil {
			return err
		}
		if denied := r.keyUsage &^ deviceKeyUsage; denied != 0 {
			return fmt.Errorf("key usage %s is not for devices", keyUsageNames(denied))
		}
		return nil
	case extension.Id.Equal(oidExtKeyUsage):
		if r.usages, err = parseExtKeyUsage(extension.Value); err != nil {
			return err
		}
		for _, u := range r.usages {
			if !r.profile.mayAsk(u) {
				return fmt.Errorf("extended key usage %s is not allowed", u)
			}
		}
		return nil
	case extension.Id.Equal(oidBasicConstraints):
		// No certificate of ours is a CA, so a request that asks for just
		// that gets it, critical or not.
		return checkNotCA(extension.Value)
	case extension.Critical:
		// RFC 5280, section 4.2: who marks an extension critical wants it
		// honoured or the whole refused.
		return fmt.Errorf("extension %s is critical and would not be copied", extension.Id)
	}
	r.ignored = append(r.ignored, extension)
	r.Dropped = append(r.Dropped, "extension "+extension.Id.String())
	return nil
}

func (r *Request) readSANs(value []byte) error {
	sans, err := parseSANs(value)
	if err != nil {
		return err
	}
	for _, san := range sans {
		switch {
		case san.Type != "":
			r.SANs = append(r.SANs, san)
		case r.profile.refuseUnknown:
			return fmt.Errorf("subject alternative names: %s is not allowed", san.Value)
		default:
			r.Dropped = append(r.Dropped, "name of kind "+san.Value)
		}
	}
	if r.profile.sidFromSAN {
		r.sid, err = findSID(r.SANs)
	}
	return err
}

// makeExtensions writes the extensions that templates are given. RFC 5280,
// section 4.2.1.6: "If the subject field contains an empty sequence, then the
// issuing CA MUST include a subjectAltName extension that is marked as
// critical."
func (r *Request) makeExtensions(emptySubject bool) error {
	if len(r.SANs) > 0 {
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, san := range r.SANs {
				b.AddBytes(san.raw)
			}
		})
		value, err := b.Bytes()
		if err != nil {
			return fmt.Errorf("writing subject alternative names: %w", err)
		}
		r.san = &pkix.Extension{Id: oidSAN, Critical: emptySubject, Value: value}
	}
	if r.sid != "" {
		extension, err := sidExtension(r.sid)
		if err != nil {
			return fmt.Errorf("writing the SID extension: %w", err)
		}
		r.sidExt = &extension
	}
	return nil
}

// checkNotCA reads the value of an extension 2.5.29.19:
//
//	BasicConstraints ::= SEQUENCE {
//	  cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL }
//
// and refuses anything but FALSE, which leaves no room for a path length.
func checkNotCA(value []byte) error {
	contents, err := readSequence(value)
	if err != nil {
		return fmt.Errorf("basic constraints: %w", err)
	}
	isCA := false
	if contents.PeekASN1Tag(asn1.BOOLEAN) && !contents.ReadASN1Boolean(&isCA) {
		return errors.New("basic constraints: not DER")
	}
	if isCA {
		return errors.New("basic constraints: a certificate of a CA")
	}
	if !contents.Empty() {
		return errors.New("basic constraints: more than CA:FALSE")
	}
	return nil
}
