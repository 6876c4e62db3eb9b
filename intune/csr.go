package intune

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// checkCSR accepts a DER PKCS#10 certificate request (RFC 2986) by its shape;
// what is in it Intune judges. PEM and base64 are the usual mistakes.
func checkCSR(der []byte) error {
	var outer, request, version, algorithm cryptobyte.String
	var signature []byte
	in := cryptobyte.String(der)
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1(&request, cbasn1.SEQUENCE) ||
		!outer.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!outer.ReadASN1BitStringAsBytes(&signature) || !outer.Empty() ||
		!request.ReadASN1(&version, cbasn1.INTEGER) || len(version) != 1 || version[0] != 0 ||
		!request.SkipASN1(cbasn1.SEQUENCE) || // subject
		!request.SkipASN1(cbasn1.SEQUENCE) || // public key
		!request.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) || !request.Empty() {
		return errors.New("the certificate request is not a DER PKCS#10 request")
	}
	return nil
}

// challengePassword is the attribute's type (RFC 2985, section 5.4.1), in DER.
var challengePassword = []byte{0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7}

// secretsOf returns what Intune's answers must not carry into a log: the
// request, as it is sent, and the challenge inside.
func secretsOf(csr []byte) []string {
	secrets := []string{base64.StdEncoding.EncodeToString(csr)}
	var values, challenge cryptobyte.String
	if _, after, ok := bytes.Cut(csr, challengePassword); ok {
		rest := cryptobyte.String(after)
		if rest.ReadASN1(&values, cbasn1.SET) && values.ReadAnyASN1(&challenge, nil) {
			secrets = append(secrets, string(challenge))
		}
	}
	return secrets
}

// maxTransactionID bounds what a device can make us repeat to Intune, in bytes.
const maxTransactionID = 4096

// checkTransactionID accepts the free text that devices send.
func checkTransactionID(id string) error {
	switch {
	case id == "":
		return errors.New("the transaction id is empty")
	case len(id) > maxTransactionID:
		return fmt.Errorf("the transaction id is longer than %d bytes", maxTransactionID)
	case !utf8.ValidString(id):
		return errors.New("the transaction id is not UTF-8")
	}
	return nil
}
