package harness

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// issuer is a certificate with its key.
type issuer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newKey(elliptical bool) (crypto.Signer, error) {
	if elliptical {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// newIssuer makes a certificate of the CA's own: signed by parent, or by itself
// when parent is nil; able to sign others when ca is set, else to decrypt.
func newIssuer(name string, parent *issuer, ca, elliptical bool) (*issuer, error) {
	key, err := newKey(elliptical)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Contoso"}, CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		BasicConstraintsValid: ca,
		IsCA:                  ca,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if ca {
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
		if !elliptical { // it answers SCEP requests itself: RFC 8894, section 2.1.2
			template.KeyUsage |= x509.KeyUsageKeyEncipherment
		}
	}
	signer := &issuer{certificate: template, key: key}
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &issuer{certificate: certificate, key: key}, nil
}
