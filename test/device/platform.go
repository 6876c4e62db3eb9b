package device

import (
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var oidClientAuth = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}

const profileKeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

// Windows returns a request as Windows sends it: with key usage, extended key
// usage, its version and the profile's validity as name/value pairs. Windows
// also sends its messages to …/pkiclient.exe, see [Client].
func Windows(subject, challenge string, sans ...SAN) CSR {
	return CSR{
		Subject:     subject,
		SANs:        sans,
		KeyUsage:    profileKeyUsage,
		ExtKeyUsage: []asn1.ObjectIdentifier{oidClientAuth},
		Challenge:   challenge,
		Attributes: []Attribute{
			osVersion("10.0.26100.2"),
			NameValuePair("ValidityPeriod", "Years"),
			NameValuePair("ValidityPeriodUnits", "1"),
		},
	}
}

// IPhone returns a request as Apple's systems send it: with neither extended
// key usage nor validity.
func IPhone(subject, challenge string, sans ...SAN) CSR {
	return CSR{Subject: subject, SANs: sans, KeyUsage: profileKeyUsage, Challenge: challenge}
}

// Android returns a request as the Company Portal on Android sends it: with the
// two values of the validity swapped.
func Android(subject, challenge string, sans ...SAN) CSR {
	return CSR{
		Subject:     subject,
		SANs:        sans,
		KeyUsage:    profileKeyUsage,
		ExtKeyUsage: []asn1.ObjectIdentifier{oidClientAuth},
		Challenge:   challenge,
		Attributes: []Attribute{
			NameValuePair("ValidityPeriod", "1"),
			NameValuePair("ValidityPeriodUnits", "Years"),
		},
	}
}

func osVersion(version string) Attribute {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(version)) })
	return Attribute{Type: oidOSVersion, Values: [][]byte{b.BytesOrPanic()}}
}
