package device

import (
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// attributeTypes are the short names of RFC 4514 section 3, and the two beside
// them that Intune's profiles offer.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN":           {2, 5, 4, 3},
	"SN":           {2, 5, 4, 4},
	"SERIALNUMBER": {2, 5, 4, 5},
	"C":            {2, 5, 4, 6},
	"L":            {2, 5, 4, 7},
	"ST":           {2, 5, 4, 8},
	"STREET":       {2, 5, 4, 9},
	"O":            {2, 5, 4, 10},
	"OU":           {2, 5, 4, 11},
	"G":            {2, 5, 4, 42},
	"UID":          {0, 9, 2342, 19200300, 100, 1, 1},
	"DC":           {0, 9, 2342, 19200300, 100, 1, 25},
	"E":            {1, 2, 840, 113549, 1, 9, 1},
	"EMAILADDRESS": {1, 2, 840, 113549, 1, 9, 1},
}

// marshalName encodes a distinguished name written as RFC 4514 has it. The
// string lists the parts in the reverse of their order in the encoding.
func marshalName(s string) ([]byte, error) {
	var rdns []string
	if s != "" {
		rdns = splitUnescaped(s, ',')
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := len(rdns) - 1; i >= 0; i-- {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for _, pair := range splitUnescaped(rdns[i], '+') {
					if err := addAttributeTypeAndValue(b, pair); err != nil {
						b.SetError(fmt.Errorf("encoding name %q: %w", s, err))
					}
				}
			})
		}
	})
	return b.Bytes()
}

func addAttributeTypeAndValue(b *cryptobyte.Builder, pair string) error {
	name, value, ok := strings.Cut(strings.TrimLeft(pair, " "), "=")
	if !ok {
		return fmt.Errorf("no equals sign in %q", pair)
	}
	oid, err := attributeType(name)
	if err != nil {
		return err
	}
	text, err := unescape(value)
	if err != nil {
		return err
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(stringTag(oid, text), func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
	})
	return nil
}

func attributeType(name string) (asn1.ObjectIdentifier, error) {
	if oid, ok := attributeTypes[strings.ToUpper(name)]; ok {
		return oid, nil
	}
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(name, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("unknown attribute type %q", name)
		}
		oid = append(oid, n)
	}
	return oid, nil
}

// stringTag chooses the string type: RFC 5280 appendix A fixes it for domain
// components, e-mail addresses and countries; for the rest section 4.1.2.4
// allows PrintableString and UTF8String.
func stringTag(oid asn1.ObjectIdentifier, text string) cbasn1.Tag {
	switch {
	case oid.Equal(attributeTypes["DC"]), oid.Equal(attributeTypes["E"]):
		return cbasn1.IA5String
	case isPrintable(text):
		return cbasn1.PrintableString
	default:
		return cbasn1.UTF8String
	}
}

// isPrintable reports whether X.680's PrintableString can hold text.
func isPrintable(text string) bool {
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" '()+,-./:=?", r):
		default:
			return false
		}
	}
	return true
}

func splitUnescaped(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		rest := s[i+1:]
		if rest == "" {
			return "", fmt.Errorf("escape without a character in %q", s)
		}
		if len(rest) >= 2 {
			if pair, err := hex.DecodeString(rest[:2]); err == nil {
				b.WriteByte(pair[0])
				i += 2
				continue
			}
		}
		b.WriteByte(rest[0])
		i++
	}
	return b.String(), nil
}
