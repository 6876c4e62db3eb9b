package intune

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// dnNames has the attribute types that RFC 2253, section 2.3, names.
var dnNames = map[string]string{
	"2.5.4.3":                    "CN",
	"2.5.4.6":                    "C",
	"2.5.4.7":                    "L",
	"2.5.4.8":                    "ST",
	"2.5.4.9":                    "STREET",
	"2.5.4.10":                   "O",
	"2.5.4.11":                   "OU",
	"0.9.2342.19200300.100.1.1":  "UID",
	"0.9.2342.19200300.100.1.25": "DC",
}

// DistinguishedName writes a DER name as RFC 2253 does, and as the success
// notification names the issuer: last part first. The
// order and all parts are kept, which pkix.Name does not do.
func DistinguishedName(der []byte) (string, error) {
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &rdns); err != nil || len(rest) > 0 {
		return "", errors.New("the name is not DER")
	}
	parts := make([]string, 0, len(rdns))
	for i := len(rdns) - 1; i >= 0; i-- {
		pairs := make([]string, 0, len(rdns[i]))
		for _, a := range rdns[i] {
			pair, err := dnPair(a)
			if err != nil {
				return "", err
			}
			pairs = append(pairs, pair)
		}
		parts = append(parts, strings.Join(pairs, "+"))
	}
	return strings.Join(parts, ","), nil
}

func dnPair(a pkix.AttributeTypeAndValue) (string, error) {
	name, known := dnNames[a.Type.String()]
	value, text := a.Value.(string)
	if known && text {
		return name + "=" + dnEscape(value), nil
	}
	der, err := asn1.Marshal(a.Value)
	if err != nil {
		return "", fmt.Errorf("the value of %s cannot be written", a.Type)
	}
	if !known {
		name = a.Type.String()
	}
	return name + "=#" + hex.EncodeToString(der), nil
}

// dnEscape follows RFC 2253, section 2.4.
func dnEscape(s string) string {
	var b strings.Builder
	for i, r := range s {
		first, last := i == 0, i == len(s)-1
		if strings.ContainsRune(`,+"\<>;`, r) || r == ' ' && (first || last) || r == '#' && first {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
