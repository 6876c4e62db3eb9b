package profile

import (
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidCommonName   = stdasn1.ObjectIdentifier{2, 5, 4, 3}
	oidEmailAddress = stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// parseName reads a distinguished name: a sequence of sets of attributes. It
// refuses what crypto/x509 could not read back from the certificate.
func parseName(der []byte) (pkix.RDNSequence, error) {
	if len(der) > maxSubject {
		return nil, fmt.Errorf("subject: more than %d bytes", maxSubject)
	}
	list, err := readSequence(der)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	var name pkix.RDNSequence
	for count := 0; !list.Empty(); {
		var set cryptobyte.String
		if !list.ReadASN1(&set, asn1.SET) || set.Empty() {
			return nil, errors.New("subject: not DER")
		}
		var rdn pkix.RelativeDistinguishedNameSET
		for !set.Empty() {
			if count++; count > maxSubjectAttributes {
				return nil, fmt.Errorf("subject: more than %d attributes", maxSubjectAttributes)
			}
			attribute, err := parseNameAttribute(&set)
			if err != nil {
				return nil, fmt.Errorf("subject: %w", err)
			}
			rdn = append(rdn, attribute)
		}
		name = append(name, rdn)
	}
	return name, nil
}

func parseNameAttribute(set *cryptobyte.String) (attribute pkix.AttributeTypeAndValue, err error) {
	var pair, data cryptobyte.String
	var tag asn1.Tag
	if !set.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&attribute.Type) ||
		!pair.ReadAnyASN1(&data, &tag) || !pair.Empty() {
		return attribute, errors.New("an attribute is not DER")
	}
	text, ok := decodeString(data, tag)
	if !ok {
		return attribute, fmt.Errorf("attribute %s is not text that can be read", attribute.Type)
	}
	// A name that ends at NUL or a newline for one reader goes on for another, and
	// an escape sequence changes what an administrator's terminal shows. Format
	// characters stay: Persian and Hindi names are spelled with them.
	if strings.ContainsFunc(text, unicode.IsControl) {
		return attribute, fmt.Errorf("attribute %s holds a NUL or another control character", attribute.Type)
	}
	attribute.Value = text
	return attribute, nil
}

// valuesOf lists the values of an attribute type, in order. A subject may have
// several: CN=Alice,CN=Users,DC=contoso,DC=com.
func valuesOf(name pkix.RDNSequence, typ stdasn1.ObjectIdentifier) []string {
	var values []string
	for _, rdn := range name {
		for _, attribute := range rdn {
			if text, ok := attribute.Value.(string); ok && attribute.Type.Equal(typ) {
				values = append(values, text)
			}
		}
	}
	return values
}

// decodeString decodes the string types that names may have.
func decodeString(data []byte, tag asn1.Tag) (string, bool) {
	text := string(data)
	switch tag {
	case asn1.UTF8String:
		return text, utf8.ValidString(text)
	case asn1.PrintableString:
		// * and & do not belong to the type, yet devices write them.
		return text, onlyBytes(text, "'()+,-./:=?*& ")
	case asn1.Tag(stdasn1.TagNumericString):
		return text, strings.Trim(text, "0123456789 ") == ""
	case asn1.IA5String:
		return text, !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f })
	case asn1.T61String:
		// Everyone writes Latin-1 under this type, nobody T.61.
		runes := make([]rune, len(data))
		for i, b := range data {
			runes[i] = rune(b)
		}
		return string(runes), true
	case asn1.Tag(stdasn1.TagBMPString):
		return decodeBMP(data)
	}
	return "", false
}

// decodeBMP decodes UCS-2: sixteen bits to a character, no surrogates.
func decodeBMP(data []byte) (string, bool) {
	if len(data)%2 != 0 {
		return "", false
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 0; i < len(data); i += 2 {
		u := uint16(data[i])<<8 | uint16(data[i+1])
		if u >= 0xd800 && u <= 0xdfff || u >= 0xfdd0 && u <= 0xfdef || u >= 0xfffe {
			return "", false
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units)), true
}

// onlyBytes reports whether s holds letters, digits and extra, nothing else.
func onlyBytes(s, extra string) bool {
	for i := range len(s) {
		b := s[i]
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && !strings.Contains(extra, string(rune(b))) {
			return false
		}
	}
	return true
}
