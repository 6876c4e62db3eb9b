package device

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidUPN            = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// SAN is the DER encoding of one GeneralName (RFC 5280 section 4.2.1.6), kept
// as bytes so that a request can carry what no well-behaved builder would make.
type SAN []byte

// Email returns an rfc822Name.
func Email(address string) SAN { return contextString(1, address) }

// DNS returns a dNSName.
func DNS(name string) SAN { return contextString(2, name) }

// URI returns a uniformResourceIdentifier, such as Windows'
// "tag:microsoft.com,2022-09-14:sid:S-1-5-21-…".
func URI(uri string) SAN { return contextString(6, uri) }

// IP returns an iPAddress.
func IP(address netip.Addr) SAN { return contextString(7, string(address.AsSlice())) }

// UPN returns Microsoft's user principal name, an otherName.
func UPN(name string) SAN {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidUPN)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
		})
	})
	return b.BytesOrPanic()
}

func contextString(tag uint8, s string) SAN {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	return b.BytesOrPanic()
}

// sanExtension is critical when the subject is empty, as RFC 5280 demands.
func sanExtension(sans []SAN, critical bool) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, san := range sans {
			b.AddBytes(san)
		}
	})
	return pkix.Extension{Id: oidSubjectAltName, Critical: critical, Value: b.BytesOrPanic()}
}
