package main

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 15}
)

// inspect checks that a certificate carries what the request asked for and
// Intune approved, and nothing that it must not.
func (d *demo) inspect(csr *x509.CertificateRequest, c *x509.Certificate) error {
	switch {
	case !bytes.Equal(c.RawSubject, csr.RawSubject):
		return fmt.Errorf("subject is %q instead of %q", c.Subject, csr.Subject)
	case !bytes.Equal(value(c.Extensions, oidSubjectAltName), value(csr.Extensions, oidSubjectAltName)):
		return errors.New("alternative names are not the request's")
	case !bytes.Equal(value(c.Extensions, oidKeyUsage), value(csr.Extensions, oidKeyUsage)):
		return errors.New("key usage is not the request's")
	case !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) || len(c.UnknownExtKeyUsage) > 0:
		return fmt.Errorf("extended key usages are %v %v", c.ExtKeyUsage, c.UnknownExtKeyUsage)
	case c.IsCA:
		return errors.New("it is a CA certificate")
	}
	if year := 365 * 24 * time.Hour; time.Until(c.NotAfter).Round(time.Hour) != year {
		return fmt.Errorf("it expires on %s", c.NotAfter)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(d.ca.Root)
	intermediates.AddCert(d.ca.Intermediate)
	_, err := c.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

func value(extensions []pkix.Extension, id asn1.ObjectIdentifier) []byte {
	for _, e := range extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}
