package e2e

import (
	"crypto/x509"
	"errors"
	"testing"

	"github.com/smallstep/nosql"
	"github.com/smallstep/nosql/database"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// stored stops the CA and returns the certificates that step-ca has stored as
// issued.
func (s *site) stored() []*x509.Certificate {
	s.Helper()
	if _, err := s.ca.Stop(); err != nil {
		s.Fatal(err)
	}
	db, err := nosql.New(string(harness.Badger), s.ca.File("db"))
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	entries, err := db.List([]byte("x509_certs"))
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		s.Fatal(err)
	}
	var certificates []*x509.Certificate
	for _, e := range entries {
		c, err := x509.ParseCertificate(e.Value)
		if err != nil {
			s.Fatal(err)
		}
		certificates = append(certificates, c)
	}
	return certificates
}

func TestAnIssuedCertificateIsStoredAndListed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, result := s.issue("device-1")
	if listed := s.listed("issued"); len(listed) != 1 || listed[0].SerialNumber != serial(result.Certificate) {
		t.Errorf("Intune lists %+v", listed)
	}
	if stored := s.stored(); len(stored) != 1 || !stored[0].Equal(result.Certificate) {
		t.Errorf("step-ca stored %d certificates", len(stored))
	}
}
