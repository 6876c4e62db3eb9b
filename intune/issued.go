package intune

import (
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Issued is a certificate as Intune is told of it. Thumbprint, serial number,
// expiry and issuer are taken from the certificate.
type Issued struct {
	// Certificate is the one that was issued. Required.
	Certificate *x509.Certificate
	// CAConfiguration and CertificateAuthority name the CA that is to
	// receive revocation requests: use stable ids. Empty: left out.
	CAConfiguration      string
	CertificateAuthority string
}

// certificateFacts are the derived values.
type certificateFacts struct {
	thumbprint, serial, expires, issuer string
}

func (i Issued) facts() (certificateFacts, error) {
	c := i.Certificate
	if c == nil || len(c.Raw) == 0 {
		return certificateFacts{}, errors.New("there is no issued certificate")
	}
	issuer, err := DistinguishedName(c.RawIssuer)
	if err != nil {
		return certificateFacts{}, fmt.Errorf("reading the issuer: %w", err)
	}
	f := certificateFacts{
		// Intune identifies certificates by SHA-1, as Windows does.
		thumbprint: fmt.Sprintf("%X", sha1.Sum(c.Raw)),
		// Bytes has no sign byte, and every byte gives two digits.
		serial:  fmt.Sprintf("%X", c.SerialNumber.Bytes()),
		expires: formatTime(c.NotAfter),
		issuer:  issuer,
	}
	if f.serial == "" || f.issuer == "" {
		return certificateFacts{}, errors.New("the certificate has no serial number or no issuer")
	}
	return f, nil
}

// formatTime is UTC with milliseconds and Z, as Microsoft's page asks for.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
