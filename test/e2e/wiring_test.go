package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
	"github.com/step-ca-intune/step-ca-intune/test/proxy"
)

// What stands in ca.json has an effect on the wire: the proxy, the name of the CA and the
// number of retries.
func TestTheSettingsOfAnEntryCount(t *testing.T) {
	t.Parallel()
	const password = "proxy~s3cret"
	p := proxy.Start(t, "ca:"+password)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(entry map[string]any, _ *harness.Options) {
		i := settings(entry)
		i["proxy"] = map[string]any{"url": p.URL, "username": "ca", "passwordFile": file}
		i["caID"] = "Contoso's second CA"
		i["retries"] = 0
	})
	s.issue("device-1")
	listed := s.listed(intunesim.StateIssued)
	if len(listed) != 1 || listed[0].CAConfiguration != "Contoso's second CA" || listed[0].CertificateAuthority != "Contoso's second CA" {
		t.Errorf("listed %+v", listed)
	}

	asked := len(s.calls(intunesim.OpValidate))
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Status: http.StatusServiceUnavailable})
	c := s.connect(intune)
	if r := s.send(c, s.prepare(c, s.genuine("device-2"))); r.Status != scep.FAILURE {
		t.Errorf("got %s", describe(r))
	}
	if n := len(s.calls(intunesim.OpValidate)) - asked; n != 1 {
		t.Errorf("Intune was asked %d times", n)
	}

	hosts := p.Connected()
	if len(hosts) == 0 || p.Refused() > 0 {
		t.Errorf("the proxy let %d connections through and refused %d", len(hosts), p.Refused())
	}
	for _, host := range hosts {
		if "https://"+host != s.sim.URL() {
			t.Errorf("the proxy was asked for %s", host)
		}
	}
	if strings.Contains(s.ca.Output(), password) {
		t.Error("the proxy's password is in the log")
	}
}

// application returns a certificate for the application and writes it and its key.
func application(t *testing.T) (certificate *x509.Certificate, certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "application"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return certificate, write("app.crt", "CERTIFICATE", der), write("app.key", "PRIVATE KEY", pkcs8)
}

func TestACertificateSignsInWithAKeyThatAURINames(t *testing.T) {
	t.Parallel()
	certificate, certificateFile, keyFile := application(t)
	s := newSite(t, func(entry map[string]any, _ *harness.Options) {
		settings(entry)["credential"] = map[string]any{"certificate": certificateFile, "key": "softkms:path=" + keyFile}
	})
	if err := errors.Join(s.sim.SetSecrets(nil, nil), s.sim.SetCertificates(certificate)); err != nil {
		t.Fatal(err)
	}
	s.issue("device-1")
	tokens := s.calls(intunesim.OpToken)
	for _, r := range tokens {
		if !strings.Contains(r.Body, "client_assertion=") || strings.Contains(r.Body, "client_secret=") {
			t.Error("a token was asked for without the certificate")
		}
	}
	if len(tokens) == 0 {
		t.Error("no token was asked for")
	}
}
