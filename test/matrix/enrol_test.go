package matrix

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// enrolForeign sends a request with micromdm's scepclient, which takes key and
// request from its folder when they are there. Path follows the provisioner's
// URL. It returns nil after a refusal.
func (s *site) enrolForeign(t *testing.T, provisioner, path string, r *device.Request, fate fate) *x509.Certificate {
	t.Helper()
	s.note(t, line{csr: r.DER, fate: fate})
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"client.key": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r.Key.(*rsa.PrivateKey))},
		"csr.pem":    {Type: "CERTIFICATE REQUEST", Bytes: r.DER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fingerprint := sha256.Sum256(s.ca.Intermediate.Raw)
	c, output, err := harness.Foreign(t.Context(), harness.SCEPClient.In(bin), dir, s.ca.SCEP(provisioner)+path,
		"-key-encipherment-selector=false", "-ca-fingerprint", hex.EncodeToString(fingerprint[:]))
	if fate != issued {
		if c != nil || err == nil {
			t.Error("got a certificate")
		}
		if !strings.Contains(output, "request failed, failInfo: ") {
			t.Errorf("scepclient was not refused: %v\n%s", err, output)
		}
		return nil
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if !r.Key.Public().(*rsa.PublicKey).Equal(c.PublicKey) {
		t.Error("the certificate is for another key")
	}
	if asked, err := x509.ParseCertificateRequest(r.DER); err != nil || !bytes.Equal(asked.RawSubject, c.RawSubject) {
		t.Errorf("the subject is not the request's, byte for byte: %v", err)
	}
	return c
}

// enrol sends a request with the client of package device. The hint is the
// reason of a refusal, see line. It returns nil after one.
func (s *site) enrol(t *testing.T, provisioner string, csr device.CSR, fate fate, hint string) *x509.Certificate {
	t.Helper()
	r, err := csr.Build()
	if err != nil {
		t.Fatal(err)
	}
	c, err := device.Connect(t.Context(), s.ca.SCEP(provisioner), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Prepare(r)
	if err != nil {
		t.Fatal(err)
	}
	s.note(t, line{csr: r.DER, transaction: m.TransactionID, fate: fate, hint: hint})
	result, err := c.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if fate == issued {
		if result.Certificate == nil {
			t.Fatalf("got HTTP %d, pkiStatus %q, %q", result.HTTPStatus, string(result.Status), result.FailInfoText)
		}
		return result.Certificate
	}
	// What step-ca itself cannot read, it answers with HTTP 500 before any hook.
	refused := result.Status == scep.FAILURE || fate == unasked && result.HTTPStatus == 500
	if result.Certificate != nil || !refused {
		t.Errorf("got HTTP %d, pkiStatus %q and certificate %v", result.HTTPStatus, string(result.Status), result.Certificate != nil)
	}
	return nil
}
