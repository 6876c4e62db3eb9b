package profile

import (
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Kinds of subject alternative names, as step-ca's templates call them.
const (
	sanDNS   = "dns"
	sanEmail = "email"
	sanIP    = "ip"
	sanURI   = "uri"
	sanUPN   = "userPrincipalName"
)

var oidUPN = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}

// SAN is one subject alternative name.
type SAN struct {
	// Type is dns, email, ip, uri or userPrincipalName; it is empty for a
	// kind that never stands in a certificate.
	Type string
	// Value is the name as text; for a kind without a type, what it is.
	Value string

	raw []byte // the GeneralName, as it was read
	ip  net.IP
	uri *url.URL
}

// key is equal for two names exactly if they mean the same: host names and URI
// schemes have no case, and templates may change it.
func (s SAN) key() string {
	switch s.Type {
	case sanDNS:
		return s.Type + ":" + strings.ToLower(s.Value)
	case sanIP:
		return s.Type + ":" + string(s.ip)
	case sanURI:
		return s.Type + ":" + s.uri.String()
	}
	return s.Type + ":" + s.Value
}

// parseSANs reads the value of an extension 2.5.29.17, in order:
//
//	GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName
func parseSANs(value []byte) ([]SAN, error) {
	if len(value) > maxSANBytes {
		return nil, fmt.Errorf("subject alternative names: more than %d bytes", maxSANBytes)
	}
	list, err := readSequence(value)
	if err != nil {
		return nil, fmt.Errorf("subject alternative names: %w", err)
	}
	var sans []SAN
	for !list.Empty() {
		if len(sans) == maxSANs {
			return nil, fmt.Errorf("subject alternative names: more than %d names", maxSANs)
		}
		var element cryptobyte.String
		var tag asn1.Tag
		if !list.ReadAnyASN1Element(&element, &tag) {
			return nil, errors.New("subject alternative names: not DER")
		}
		san, err := parseSAN(element, tag)
		if err != nil {
			return nil, fmt.Errorf("subject alternative names: %w", err)
		}
		sans = append(sans, san)
	}
	if len(sans) == 0 {
		return nil, errors.New("subject alternative names: empty")
	}
	return sans, nil
}

func parseSAN(element cryptobyte.String, tag asn1.Tag) (SAN, error) {
	san := SAN{raw: element}
	var data cryptobyte.String
	var ignored asn1.Tag
	element.ReadAnyASN1(&data, &ignored)

	switch tag {
	case asn1.Tag(0).ContextSpecific().Constructed():
		return parseOtherName(san, data)
	case asn1.Tag(1).ContextSpecific():
		san.Type = sanEmail
		return san, san.setText(data)
	case asn1.Tag(2).ContextSpecific():
		san.Type = sanDNS
		return san, san.setText(data)
	case asn1.Tag(6).ContextSpecific():
		san.Type = sanURI
		return san, san.setText(data)
	case asn1.Tag(7).ContextSpecific():
		// RFC 5280, section 4.2.1.6: "For IP version 4 […] the octet string
		// MUST contain exactly four octets. For IP version 6 […] sixteen."
		if len(data) != net.IPv4len && len(data) != net.IPv6len {
			return san, fmt.Errorf("an IP address of %d bytes", len(data))
		}
		san.Type, san.ip = sanIP, net.IP(data)
		san.Value = san.ip.String()
		return san, nil
	case asn1.Tag(3).ContextSpecific().Constructed():
		san.Value = "x400Address"
		return san, nil
	case asn1.Tag(4).ContextSpecific().Constructed():
		san.Value = "directoryName"
		return san, nil
	case asn1.Tag(5).ContextSpecific().Constructed():
		san.Value = "ediPartyName"
		return san, nil
	case asn1.Tag(8).ContextSpecific():
		san.Value = "registeredID"
		return san, nil
	}
	return san, fmt.Errorf("a name with tag 0x%02x", uint8(tag))
}

// setText sets the value of an IA5String name. RFC 5280, section 4.2.1.6:
// "conforming CAs MUST NOT issue certificates with subjectAltNames containing
// empty GeneralName fields."
func (s *SAN) setText(data []byte) error {
	s.Value = string(data)
	switch {
	case s.Value == "":
		return fmt.Errorf("an empty %s name", s.Type)
	case !isPrintableASCII(s.Value):
		return fmt.Errorf("a %s name with bytes that are not printable ASCII: %.100q", s.Type, s.Value)
	case s.Type == sanURI:
		u, err := url.Parse(s.Value)
		if err != nil {
			return fmt.Errorf("a URI that cannot be parsed: %.100q", s.Value)
		}
		s.uri = u
	}
	return nil
}

// parseOtherName reads the contents of
//
//	OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }
//
// of which only the user principal name, a UTF8String, has a meaning here.
func parseOtherName(san SAN, data cryptobyte.String) (SAN, error) {
	var oid stdasn1.ObjectIdentifier
	var value cryptobyte.String
	if !data.ReadASN1ObjectIdentifier(&oid) ||
		!data.ReadASN1(&value, asn1.Tag(0).ContextSpecific().Constructed()) || !data.Empty() {
		return san, errors.New("an otherName that is not DER")
	}
	if !oid.Equal(oidUPN) {
		san.Value = "otherName " + oid.String()
		return san, nil
	}

	san.Type = sanUPN
	var text cryptobyte.String
	if !value.ReadASN1(&text, asn1.UTF8String) || !value.Empty() {
		return san, errors.New("a user principal name that is not a UTF8String")
	}
	san.Value = string(text)
	if san.Value == "" || !utf8.ValidString(san.Value) || strings.ContainsFunc(san.Value, isInvisible) {
		return san, fmt.Errorf("a user principal name that is empty or not plain text: %.100q", san.Value)
	}
	return san, nil
}

// isInvisible reports whether r shows nothing or moves what is shown: control
// characters, format characters such as U+202E, which reverses the text after it,
// and U+200B, a space without width, and line and paragraph separators. Entra ID
// allows none of them in a user principal name, and with them one account's name
// looks like another's.
func isInvisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
