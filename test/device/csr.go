package device

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/smallstep/scep"
)

// CSR describes a PKCS #10 certificate request. Every field may be left out,
// and nothing is checked: a hostile device does not check either.
type CSR struct {
	// Subject is a distinguished name as RFC 4514 writes it. RawSubject, its
	// DER encoding, comes before it.
	Subject    string
	RawSubject []byte

	// SANs, KeyUsage and ExtKeyUsage become extensions, none when zero.
	// Extensions follow them as they are.
	SANs        []SAN
	KeyUsage    x509.KeyUsage
	ExtKeyUsage []asn1.ObjectIdentifier
	Extensions  []pkix.Extension

	// Challenge is sent as PrintableString where its characters allow it, else
	// as UTF8String. Empty means no such attribute; [ChallengePassword] among
	// Attributes makes every other one.
	Challenge string

	// Attributes follow the challenge and the requested extensions, in this
	// order, repeated ones included.
	Attributes []Attribute

	// Key is the device's key, one from the pool when nil.
	Key crypto.Signer

	// BreakSignature spoils the proof of possession.
	BreakSignature bool
}

// Request is a certificate request on its way to a SCEP server.
type Request struct {
	// DER is what the device encrypts, ordinarily a PKCS #10 request.
	DER []byte

	// Key signs the SCEP message and decrypts the answer. When it is not an RSA
	// key, which SCEP needs, one from the pool does that.
	Key crypto.Signer

	// Certificate is the device's own certificate for Key, which must be an RSA key
	// then. When nil it is made.
	Certificate *x509.Certificate

	// TransactionID is a random one when empty, MessageType PKCSReq.
	TransactionID string
	MessageType   scep.MessageType
}

// Build encodes and signs the request.
func (c CSR) Build() (*Request, error) {
	key := c.Key
	if key == nil {
		key = pooledKey()
	}
	info, err := c.info(key.Public())
	if err != nil {
		return nil, fmt.Errorf("building certificate request: %w", err)
	}
	algorithm, signature, err := sign(key, info)
	if err != nil {
		return nil, fmt.Errorf("signing certificate request: %w", err)
	}
	if c.BreakSignature {
		signature[len(signature)-1] ^= 1
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("building certificate request: %w", err)
	}
	return &Request{DER: der, Key: key}, nil
}

// info encodes the CertificationRequestInfo of RFC 2986 section 4.1.
func (c CSR) info(public crypto.PublicKey) ([]byte, error) {
	subject := c.RawSubject
	if subject == nil {
		var err error
		if subject, err = marshalName(c.Subject); err != nil {
			return nil, err
		}
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(subject)
		b.AddBytes(spki)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			for _, a := range c.attributes(subject) {
				addAttribute(b, a)
			}
		})
	})
	return b.Bytes()
}

func (c CSR) attributes(subject []byte) []Attribute {
	var attributes []Attribute
	if c.Challenge != "" {
		stringType := cbasn1.UTF8String
		if isPrintable(c.Challenge) {
			stringType = cbasn1.PrintableString
		}
		attributes = append(attributes, ChallengePassword(stringType, []byte(c.Challenge)))
	}
	var extensions []pkix.Extension
	if len(c.SANs) > 0 {
		emptyName := []byte{0x30, 0}
		extensions = append(extensions, sanExtension(c.SANs, bytes.Equal(subject, emptyName)))
	}
	if c.KeyUsage != 0 {
		extensions = append(extensions, keyUsageExtension(c.KeyUsage))
	}
	if len(c.ExtKeyUsage) > 0 {
		extensions = append(extensions, extKeyUsageExtension(c.ExtKeyUsage))
	}
	if extensions = append(extensions, c.Extensions...); len(extensions) > 0 {
		attributes = append(attributes, ExtensionRequest(extensions...))
	}
	return append(attributes, c.Attributes...)
}

func addAttribute(b *cryptobyte.Builder, a Attribute) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.Type)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			for _, value := range a.Values {
				b.AddBytes(value)
			}
		})
	})
}

// sign returns the encoded AlgorithmIdentifier and the signature.
func sign(key crypto.Signer, message []byte) (algorithm, signature []byte, err error) {
	var oid asn1.ObjectIdentifier
	hash := crypto.SHA256
	switch key.Public().(type) {
	case *rsa.PublicKey:
		oid = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	case *ecdsa.PublicKey:
		oid = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	case ed25519.PublicKey:
		oid, hash = asn1.ObjectIdentifier{1, 3, 101, 112}, 0
	default:
		return nil, nil, fmt.Errorf("no signature algorithm for %T", key.Public())
	}
	digest := message
	if hash != 0 {
		h := hash.New()
		h.Write(message)
		digest = h.Sum(nil)
	}
	if signature, err = key.Sign(rand.Reader, digest, hash); err != nil {
		return nil, nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if _, ok := key.Public().(*rsa.PublicKey); ok {
			b.AddASN1NULL() // RFC 4055 section 5: parameters are NULL for RSA, absent for the others
		}
	})
	algorithm, err = b.Bytes()
	return algorithm, signature, err
}
