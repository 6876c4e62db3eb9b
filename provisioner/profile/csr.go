package profile

import (
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidExtensionRequest  = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	oidChallengePassword = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	// oidOldExtensions is szOID_CERT_EXTENSIONS, Microsoft's older spelling of
	// extensionRequest: some parsers read it, others do not.
	oidOldExtensions = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 14}
	oidNameValuePair = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 13, 2, 1}
)

// csr holds the parts of a PKCS #10 request that are of interest.
type csr struct {
	subject    []byte // the whole Name
	key        []byte // the whole SubjectPublicKeyInfo
	extensions []pkix.Extension
	pairs      []cryptobyte.String // EnrollmentNameValuePair values

	hasExtensions, hasChallenge bool
}

// parseCSR takes a request apart (RFC 2986, section 4):
//
//	CertificationRequest ::= SEQUENCE {
//	  certificationRequestInfo SEQUENCE {
//	    version       INTEGER { v1(0) },
//	    subject       Name,
//	    subjectPKInfo SubjectPublicKeyInfo,
//	    attributes    [0] SET OF Attribute },
//	  signatureAlgorithm AlgorithmIdentifier,
//	  signature          BIT STRING }
func parseCSR(der []byte) (*csr, error) {
	if len(der) > maxRequest {
		return nil, fmt.Errorf("the request has more than %d bytes", maxRequest)
	}
	outer, err := readSequence(der)
	if err != nil {
		return nil, fmt.Errorf("the request: %w", err)
	}
	var info, subject, key, attributes cryptobyte.String
	var version int
	if !outer.ReadASN1(&info, asn1.SEQUENCE) || !outer.SkipASN1(asn1.SEQUENCE) ||
		!outer.SkipASN1(asn1.BIT_STRING) || !outer.Empty() ||
		!info.ReadASN1Integer(&version) || version != 0 ||
		!info.ReadASN1Element(&subject, asn1.SEQUENCE) || !info.ReadASN1Element(&key, asn1.SEQUENCE) ||
		!info.ReadASN1(&attributes, asn1.Tag(0).ContextSpecific().Constructed()) || !info.Empty() {
		return nil, errors.New("not a PKCS #10 request of version 1 in DER")
	}

	c := &csr{subject: subject, key: key}
	for n := 0; !attributes.Empty(); n++ {
		if n == maxAttributes {
			return nil, fmt.Errorf("more than %d attributes", maxAttributes)
		}
		if err := c.readAttribute(&attributes); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// readAttribute reads one attribute:
//
//	Attribute ::= SEQUENCE { type OBJECT IDENTIFIER, values SET SIZE(1..MAX) OF ANY }
func (c *csr) readAttribute(attributes *cryptobyte.String) error {
	var attribute, set cryptobyte.String
	var oid stdasn1.ObjectIdentifier
	if !attributes.ReadASN1(&attribute, asn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
		!attribute.ReadASN1(&set, asn1.SET) || !attribute.Empty() || set.Empty() {
		return errors.New("an attribute is not DER")
	}
	var values []cryptobyte.String
	for !set.Empty() {
		var value cryptobyte.String
		var tag asn1.Tag
		if !set.ReadAnyASN1Element(&value, &tag) {
			return fmt.Errorf("attribute %s is not DER", oid)
		}
		values = append(values, value)
	}

	switch {
	case oid.Equal(oidOldExtensions):
		return fmt.Errorf("extensions in the old attribute %s, which not everybody reads", oid)
	case oid.Equal(oidChallengePassword):
		return c.readChallenge(values)
	case oid.Equal(oidExtensionRequest):
		return c.readExtensions(values)
	case oid.Equal(oidNameValuePair):
		c.pairs = append(c.pairs, values...)
	}
	return nil
}

// readChallenge only counts. RFC 2985, section 5.4.1: challengePassword is
// "SINGLE VALUE TRUE". With two of them Intune might check one and step-ca,
// which asks Intune about the other, would never know.
func (c *csr) readChallenge(values []cryptobyte.String) error {
	if c.hasChallenge || len(values) != 1 {
		return errors.New("more than one challenge password")
	}
	c.hasChallenge = true
	var data cryptobyte.String
	var tag asn1.Tag
	if !values[0].ReadAnyASN1(&data, &tag) {
		return errors.New("the challenge password is not DER")
	}
	if _, ok := decodeString(data, tag); !ok {
		return errors.New("the challenge password is not text that can be read")
	}
	return nil
}

// readExtensions reads the extensions that the request asks for:
//
//	Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension
func (c *csr) readExtensions(values []cryptobyte.String) error {
	if c.hasExtensions || len(values) != 1 {
		return errors.New("more than one list of extensions")
	}
	c.hasExtensions = true
	list, err := readSequence(values[0])
	if err != nil {
		return fmt.Errorf("extensions: %w", err)
	}
	for !list.Empty() {
		if len(c.extensions) == maxExtensions {
			return fmt.Errorf("more than %d extensions", maxExtensions)
		}
		extension, err := readExtension(&list)
		if err != nil {
			return err
		}
		if findExtension(c.extensions, extension.Id) != nil {
			return fmt.Errorf("extension %s appears twice", extension.Id)
		}
		c.extensions = append(c.extensions, extension)
	}
	return nil
}

// readExtension reads
//
//	Extension ::= SEQUENCE {
//	  extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
func readExtension(list *cryptobyte.String) (extension pkix.Extension, err error) {
	var contents, value cryptobyte.String
	if !list.ReadASN1(&contents, asn1.SEQUENCE) ||
		!contents.ReadASN1ObjectIdentifier(&extension.Id) ||
		contents.PeekASN1Tag(asn1.BOOLEAN) && !contents.ReadASN1Boolean(&extension.Critical) ||
		!contents.ReadASN1(&value, asn1.OCTET_STRING) || !contents.Empty() {
		return extension, errors.New("an extension is not DER")
	}
	extension.Value = value
	return extension, nil
}

func findExtension(extensions []pkix.Extension, oid stdasn1.ObjectIdentifier) *pkix.Extension {
	for i := range extensions {
		if extensions[i].Id.Equal(oid) {
			return &extensions[i]
		}
	}
	return nil
}
