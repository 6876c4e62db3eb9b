package profile

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// readSequence returns the contents of der, which must be one SEQUENCE and
// nothing after it. cryptobyte takes no other lengths than those of DER.
func readSequence(der []byte) (cryptobyte.String, error) {
	s := cryptobyte.String(der)
	var contents cryptobyte.String
	if !s.ReadASN1(&contents, asn1.SEQUENCE) {
		return nil, errors.New("not a DER sequence")
	}
	if !s.Empty() {
		return nil, errors.New("bytes after the sequence")
	}
	return contents, nil
}
