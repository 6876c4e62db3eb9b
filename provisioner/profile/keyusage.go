package profile

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// keyUsages are all key usages with step-ca's names, in the order of RFC 5280,
// section 4.2.1.3.
var keyUsages = []struct {
	name  string
	value x509.KeyUsage
}{
	{"digitalSignature", x509.KeyUsageDigitalSignature},
	{"contentCommitment", x509.KeyUsageContentCommitment},
	{"keyEncipherment", x509.KeyUsageKeyEncipherment},
	{"dataEncipherment", x509.KeyUsageDataEncipherment},
	{"keyAgreement", x509.KeyUsageKeyAgreement},
	{"certSign", x509.KeyUsageCertSign},
	{"crlSign", x509.KeyUsageCRLSign},
	{"encipherOnly", x509.KeyUsageEncipherOnly},
	{"decipherOnly", x509.KeyUsageDecipherOnly},
}

// defaultKeyUsage is what an RSA key needs for TLS and for mail.
const defaultKeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

// deviceKeyUsage is what a device may ask for.
const deviceKeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment |
	x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageKeyAgreement

// parseKeyUsage reads the value of an extension 2.5.29.15. RFC 5280, section
// 4.2.1.3: "at least one of the bits MUST be set to 1."
func parseKeyUsage(value []byte) (x509.KeyUsage, error) {
	s := cryptobyte.String(value)
	var bits asn1.BitString
	if !s.ReadASN1BitString(&bits) || !s.Empty() {
		return 0, errors.New("key usage: not a bit string")
	}
	var ku x509.KeyUsage
	for i := range bits.BitLength {
		if bits.At(i) == 0 {
			continue
		}
		if i > 8 {
			return 0, fmt.Errorf("key usage: bit %d has no meaning", i)
		}
		ku |= 1 << i
	}
	if ku == 0 {
		return 0, errors.New("key usage: no bit is set")
	}
	return ku, nil
}

// keyUsageNames lists ku for templates and messages.
func keyUsageNames(ku x509.KeyUsage) []string {
	var names []string
	for _, k := range keyUsages {
		if ku&k.value != 0 {
			names = append(names, k.name)
		}
	}
	return names
}
