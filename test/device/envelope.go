package device

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidAES256CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// envelop makes the pkcsPKIEnvelope of RFC 8894 section 3.2.2: content
// encrypted with AES-256-CBC, its key with the recipient's RSA key. The pkcs7
// package would do it too, but takes the cipher from a variable of the whole
// process, which a CA in the same process changes.
func envelop(content []byte, recipient *x509.Certificate) ([]byte, error) {
	public, ok := recipient.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("encrypting for %q: key is a %T, SCEP needs RSA", recipient.Subject, recipient.PublicKey)
	}
	key := make([]byte, 32)
	iv := make([]byte, aes.BlockSize)
	rand.Read(key)
	rand.Read(iv)
	//lint:ignore SA1019 RFC 8894 names no other key transport, and no SCEP client of today uses one
	encryptedKey, err := rsa.EncryptPKCS1v15(rand.Reader, public, key)
	if err != nil {
		return nil, fmt.Errorf("encrypting for %q: %w", recipient.Subject, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	padding := aes.BlockSize - len(content)%aes.BlockSize
	ciphertext := append(bytes.Clone(content), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(ciphertext, ciphertext)

	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidEnvelopedData)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(0)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addRecipient(b, recipient, encryptedKey) })
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addEncryptedContent(b, iv, ciphertext) })
			})
		})
	})
	return b.Bytes()
}

func addRecipient(b *cryptobyte.Builder, recipient *x509.Certificate, encryptedKey []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(recipient.RawIssuer)
			b.AddASN1BigInt(recipient.SerialNumber)
		})
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidRSA)
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(encryptedKey)
	})
}

func addEncryptedContent(b *cryptobyte.Builder, iv, ciphertext []byte) {
	b.AddASN1ObjectIdentifier(oidData)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidAES256CBC)
		b.AddASN1OctetString(iv)
	})
	b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(ciphertext) })
}

// recipient chooses the certificate to encrypt for: RFC 8894 section 4.2.1
// puts the CA or RA certificate first, and one with an elliptic key cannot be it.
func recipient(certificates []*x509.Certificate) (*x509.Certificate, error) {
	for _, c := range certificates {
		if _, ok := c.PublicKey.(*rsa.PublicKey); ok {
			return c, nil
		}
	}
	return nil, errors.New("choosing the recipient: the CA offers no RSA certificate")
}
