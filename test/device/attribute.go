package device

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/bits"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidExtensionRequest  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	oidNameValuePair     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 13, 2, 1}
	oidOSVersion         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 13, 2, 3}
	oidKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// Attribute is an attribute of a PKCS #10 request (RFC 2986 section 4.1). Each
// value is DER; the usual attributes have exactly one.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values [][]byte
}

// ChallengePassword returns the attribute of PKCS #9 section 5.4.1 with a
// string of any type and any bytes.
func ChallengePassword(stringType cbasn1.Tag, value []byte) Attribute {
	var b cryptobyte.Builder
	b.AddASN1(stringType, func(b *cryptobyte.Builder) { b.AddBytes(value) })
	return Attribute{Type: oidChallengePassword, Values: [][]byte{b.BytesOrPanic()}}
}

// ExtensionRequest returns the attribute that asks for extensions (RFC 2985
// section 5.4.2).
func ExtensionRequest(extensions ...pkix.Extension) Attribute {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range extensions {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.Id)
				if e.Critical {
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(e.Value)
			})
		}
	})
	return Attribute{Type: oidExtensionRequest, Values: [][]byte{b.BytesOrPanic()}}
}

// NameValuePair returns Microsoft's ENROLLMENT_NAME_VALUE_PAIR, in which
// Windows carries the profile's validity.
func NameValuePair(name, value string) Attribute {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, s := range []string{name, value} {
			b.AddASN1(cbasn1.Tag(30), func(b *cryptobyte.Builder) { // BMPString
				for _, unit := range utf16.Encode([]rune(s)) {
					b.AddUint16(unit)
				}
			})
		}
	})
	return Attribute{Type: oidNameValuePair, Values: [][]byte{b.BytesOrPanic()}}
}

// keyUsageExtension numbers bits from the left, as BIT STRING does.
func keyUsageExtension(usage x509.KeyUsage) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) {
		reversed := bits.Reverse16(uint16(usage))
		unused := bits.TrailingZeros16(reversed)
		if unused >= 8 {
			b.AddUint8(uint8(unused - 8))
			b.AddUint8(uint8(reversed >> 8))
			return
		}
		b.AddUint8(uint8(unused))
		b.AddUint16(reversed)
	})
	return pkix.Extension{Id: oidKeyUsage, Critical: true, Value: b.BytesOrPanic()}
}

func extKeyUsageExtension(usages []asn1.ObjectIdentifier) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, usage := range usages {
			b.AddASN1ObjectIdentifier(usage)
		}
	})
	return pkix.Extension{Id: oidExtKeyUsage, Value: b.BytesOrPanic()}
}
