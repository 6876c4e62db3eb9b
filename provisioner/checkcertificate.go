package provisioner

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"
)

// nameOf is how findings call a certificate.
func nameOf(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return fmt.Sprintf("%q", c.Subject.CommonName)
	}
	return fmt.Sprintf("%q", c.Subject)
}

// keyKind says of which kind the key of a certificate is.
func keyKind(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	default:
		return c.PublicKeyAlgorithm.String()
	}
}

func sameKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// soon is how long before its end a certificate of the CA should be replaced.
const soon = 60 * 24 * time.Hour

// valid reports whether a certificate of the CA is within its time.
func (x *examination) valid(what string, c *x509.Certificate) bool {
	switch now := time.Now(); {
	case now.Before(c.NotBefore):
		x.problem("Check this machine's clock, or replace the certificate.", "%s, %s, is not valid before %s", what, nameOf(c), c.NotBefore.Format(time.RFC3339))
	case now.After(c.NotAfter):
		x.problem("Replace it by a new one.", "%s, %s, has expired on %s", what, nameOf(c), c.NotAfter.Format("2006-01-02"))
	case now.Add(soon).After(c.NotAfter):
		x.warn("Replace it by a new one in time.", "%s, %s, expires on %s", what, nameOf(c), c.NotAfter.Format("2006-01-02"))
		return true
	default:
		return true
	}
	return false
}
