package intunesim

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// dn is a distinguished name made comparable: its RDNs in the order of the DER,
// each a sorted list of "oid=value". Whether a value was encoded as
// PrintableString, UTF8String or another string type makes no difference.
type dn [][]string

func (d dn) equal(other dn) bool {
	return slices.EqualFunc(d, other, slices.Equal[[]string])
}

// attributeTypes are the short names of RFC 4514 section 3 and those in common use.
var attributeTypes = map[string]string{
	"CN": "2.5.4.3", "SURNAME": "2.5.4.4", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6",
	"L": "2.5.4.7", "ST": "2.5.4.8", "S": "2.5.4.8", "STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11",
	"T": "2.5.4.12", "TITLE": "2.5.4.12", "POSTALCODE": "2.5.4.17", "GN": "2.5.4.42", "G": "2.5.4.42",
	"GIVENNAME": "2.5.4.42", "INITIALS": "2.5.4.43", "DNQUALIFIER": "2.5.4.46",
	"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1",
	"E": "1.2.840.113549.1.9.1", "EMAIL": "1.2.840.113549.1.9.1", "EMAILADDRESS": "1.2.840.113549.1.9.1",
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// attributesSET is an RDN; encoding/asn1 knows by the name's end that it is a SET.
type attributesSET []attribute

// decodeDN reads a name's DER.
func decodeDN(der []byte) (dn, error) {
	var rdns []attributesSET
	if rest, err := asn1.Unmarshal(der, &rdns); err != nil || len(rest) > 0 {
		return nil, errors.New("the subject is malformed")
	}
	var name dn
	for _, rdn := range rdns {
		var pairs []string
		for _, a := range rdn {
			pairs = append(pairs, a.Type.String()+"="+stringValue(a.Value))
		}
		slices.Sort(pairs)
		name = append(name, pairs)
	}
	return name, nil
}

// stringValue is the text of a string of any ASN.1 type; other values are "#"
// and their DER in hex, as RFC 4514 writes them.
func stringValue(v asn1.RawValue) string {
	if v.Class == asn1.ClassUniversal && !v.IsCompound {
		switch v.Tag {
		case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagT61String, asn1.TagNumericString:
			return string(v.Bytes)
		case asn1.TagBMPString:
			if len(v.Bytes)%2 == 0 {
				units := make([]uint16, len(v.Bytes)/2)
				for i := range units {
					units[i] = uint16(v.Bytes[2*i])<<8 | uint16(v.Bytes[2*i+1])
				}
				return string(utf16.Decode(units))
			}
		}
	}
	return "#" + hex.EncodeToString(v.FullBytes)
}

// parseDN reads the string form of RFC 4514, where the last RDN stands first,
// and tolerates RFC 2253's spaces after the separators.
func parseDN(s string) (dn, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("the name is empty")
	}
	var (
		name dn
		rdn  []string
	)
	for rest, more := s, true; more; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, fmt.Errorf("%q is no attribute", rest)
		}
		oid, err := attributeOID(strings.TrimSpace(key))
		if err != nil {
			return nil, err
		}
		value, separator, remaining, err := cutValue(after)
		if err != nil {
			return nil, err
		}
		rdn = append(rdn, oid+"="+value)
		if separator != '+' {
			slices.Sort(rdn)
			name = append(name, rdn)
			rdn = nil
		}
		rest, more = remaining, separator != 0
	}
	slices.Reverse(name)
	return name, nil
}

func attributeOID(key string) (string, error) {
	if oid, ok := attributeTypes[strings.ToUpper(key)]; ok {
		return oid, nil
	}
	key = strings.TrimPrefix(strings.ToUpper(key), "OID.")
	if isOID(key) {
		return key, nil
	}
	return "", fmt.Errorf("unknown attribute type %q", key)
}

// cutValue takes one attribute value off s and says which separator ended it, 0
// at the end of the name.
func cutValue(s string) (value string, separator byte, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	var out []byte
	solid := 0 // length of out without trailing spaces that are not escaped
	quoted, encoded := false, strings.HasPrefix(s, "#")
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '\\':
			if i+1 == len(s) {
				return "", 0, "", errors.New("the name ends in a backslash")
			}
			if pair, err := hex.DecodeString(s[i+1 : min(i+3, len(s))]); err == nil && len(pair) == 1 {
				out = append(out, pair[0])
				i += 2
			} else {
				out = append(out, s[i+1])
				i++
			}
			solid = len(out)
		case b == '"':
			quoted = !quoted
		case !quoted && (b == ',' || b == ';' || b == '+'):
			value, err = finishValue(string(out[:solid]), encoded)
			return value, b, s[i+1:], err
		default:
			out = append(out, b)
			if quoted || b != ' ' {
				solid = len(out)
			}
		}
	}
	if quoted {
		return "", 0, "", errors.New("a quotation has no end")
	}
	value, err = finishValue(string(out[:solid]), encoded)
	return value, 0, "", err
}

// finishValue decodes the form "#" with the value's DER in hex.
func finishValue(s string, encoded bool) (string, error) {
	if !encoded {
		return s, nil
	}
	der, err := hex.DecodeString(s[1:])
	if err != nil {
		return "", fmt.Errorf("%q is not hex", s)
	}
	var v asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &v); err != nil || len(rest) > 0 {
		return "", fmt.Errorf("%q is not DER", s)
	}
	return stringValue(v), nil
}

// isOID reports whether s is an object identifier in dotted form.
func isOID(s string) bool {
	arcs := strings.Split(s, ".")
	return len(arcs) >= 2 && !slices.ContainsFunc(arcs, func(arc string) bool {
		return arc == "" || strings.Trim(arc, "0123456789") != ""
	})
}
