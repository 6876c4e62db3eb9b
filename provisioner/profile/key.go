package profile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// readKey reads a SubjectPublicKeyInfo. Intune's SCEP profiles know no other
// keys than RSA.
func (p *Profile) readKey(der []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("the public key cannot be read")
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the public key is %T and not RSA", parsed)
	}
	bits := key.N.BitLen()
	switch {
	case bits < p.minimumKeyLength:
		return nil, fmt.Errorf("the RSA key has %d bits, fewer than %d", bits, p.minimumKeyLength)
	case bits > maxKeyLength:
		return nil, fmt.Errorf("the RSA key has %d bits, more than %d", bits, maxKeyLength)
	case key.N.Bit(0) == 0:
		return nil, errors.New("the RSA modulus is even")
	// FIPS 186-5, section 5.1: the exponent is odd and above 2^16.
	case key.E < 1<<16 || key.E%2 == 0:
		return nil, fmt.Errorf("the RSA exponent is %d and not an odd number above 65536", key.E)
	}
	// The certificate will carry the key as we write it.
	again, err := x509.MarshalPKIXPublicKey(key)
	if err != nil || !bytes.Equal(again, der) {
		return nil, errors.New("the public key is not written in the only way that DER allows")
	}
	return key, nil
}
