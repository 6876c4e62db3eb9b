package setup

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"

	"go.step.sm/crypto/keyutil"
	"go.step.sm/crypto/pemutil"
	"go.step.sm/crypto/x509util"
)

const (
	// lifetime of a CA's certificates, as `step ca init` makes them.
	lifetime = 10 * 365 * 24 * time.Hour
	// rsaBits is for keys that live as long.
	rsaBits = 3072
)

// issuer is a certificate with its key.
type issuer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// keySource makes keys, RSA or EC on P-256.
type keySource func(kty string) (crypto.Signer, error)

func newKey(kty string) (crypto.Signer, error) {
	if kty == "EC" {
		return keyutil.GenerateSigner("EC", "P-256", 0)
	}
	return keyutil.GenerateSigner("RSA", "", rsaBits)
}

// newRoot makes a root that signs intermediates only.
func (keys keySource) newRoot(name, kty string) (*issuer, error) {
	return keys.newIssuer(nil, kty, &x509.Certificate{
		Subject:               pkix.Name{CommonName: name + " Root CA"},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            1,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
}

// newIntermediate makes the issuing CA. One with an RSA key answers SCEP requests itself, and
// RFC 8894, section 2.1.2, says of it: "the keyUsage extension in the CA certificate MUST
// indicate that it is valid for digitalSignature and keyEncipherment". Windows goes by that.
func (keys keySource) newIntermediate(root *issuer, name, kty string) (*issuer, error) {
	usage := x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if kty == "RSA" {
		usage |= scepUsage
	}
	return keys.newIssuer(root, kty, &x509.Certificate{
		Subject:               pkix.Name{CommonName: name + " Intermediate CA"},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              usage,
	})
}

// scepUsage is what a certificate needs that SCEP messages are encrypted to and signed with.
const scepUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

// canServeSCEP reports whether a CA's certificate can stand for its SCEP service, so that no
// other one is needed.
func canServeSCEP(c *x509.Certificate) bool {
	return c.PublicKeyAlgorithm == x509.RSA && c.KeyUsage&scepUsage == scepUsage
}

// newDecrypter makes the RSA certificate that SCEP needs beside a CA that cannot serve SCEP
// itself. SCEP clients check that the CA has issued it.
func (keys keySource) newDecrypter(ca *issuer) (*issuer, error) {
	name := ca.certificate.Subject.CommonName + " SCEP"
	if len(name) > 64 { // RFC 5280, appendix A.1: ub-common-name
		name = "SCEP"
	}
	return keys.newIssuer(ca, "RSA", &x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: scepUsage})
}

func (keys keySource) newIssuer(parent *issuer, kty string, template *x509.Certificate) (*issuer, error) {
	key, err := keys(kty)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	now := time.Now()
	template.NotBefore = now.Add(-time.Minute) // for devices whose clock is behind
	template.NotAfter = now.Add(lifetime)
	by := &issuer{certificate: template, key: key}
	if parent != nil {
		by = parent
		if end := parent.certificate.NotAfter; end.Before(template.NotAfter) {
			template.NotAfter = end
		}
	}
	certificate, err := x509util.CreateCertificate(template, by.certificate, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	return &issuer{certificate: certificate, key: key}, nil
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// keyPEM returns a key, encrypted if there is a password.
func keyPEM(key crypto.Signer, password []byte) ([]byte, error) {
	opts := []pemutil.Options{pemutil.WithPKCS8(true)}
	if len(password) > 0 {
		opts = append(opts, pemutil.WithPassword(password))
	}
	block, err := pemutil.Serialize(key, opts...)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}
