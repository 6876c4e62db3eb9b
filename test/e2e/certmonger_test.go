//go:build certmonger

package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// certmonger enrols as an ordinary user: its session daemon runs on a private bus
// and keeps everything in HOME. It sends its message in the URL of a GET, and needs
// the CA's root, since it verifies the signer of the answer.
const certmongerScript = `
set -e
getcert add-scep-ca -s -c intune -u "$SCEP_URL" -N "$ROOT" >/dev/null
getcert request -s -c intune -I one -k "$HOME/key.pem" -f "$HOME/cert.pem" \
	-N CN=certmonger -D certmonger.contoso.example -l "$HOME/challenge" -w >/dev/null || true
getcert list -s
`

func TestCertmongerEnrols(t *testing.T) {
	for _, program := range []string{"getcert", "dbus-run-session"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: install the packages certmonger and dbus", err)
		}
	}
	s := newSite(t)
	challenge := s.challenge(intunesim.Challenge{
		Subject:   "CN=certmonger",
		SANs:      []intunesim.SAN{{Type: "dns", Value: "certmonger.contoso.example"}},
		KeyLength: 2048,
		DeviceID:  "certmonger",
	})

	status, c := s.certmonger(challenge)
	t.Logf("certmonger with a challenge of Intune's:\n%s", status)
	if c == nil || !strings.Contains(status, "status: MONITORING") {
		t.Fatal("no certificate")
	}
	if c.Subject.CommonName != "certmonger" || c.VerifyHostname("certmonger.contoso.example") != nil {
		t.Errorf("the certificate is for %q, %q", c.Subject, c.DNSNames)
	}
	if listed := s.listed(intunesim.StateIssued); len(listed) != 1 || listed[0].SerialNumber != serial(c) {
		t.Errorf("Intune lists %+v", listed)
	}
	if !strings.Contains(s.ca.Output(), `"method":"GET","msg":"","name":"ca","path":"/scep/intune?operation=PKIOperation`) {
		t.Error("the message did not come by GET")
	}

	status, c = s.certmonger(strings.Repeat("QUJD", 600))
	t.Logf("certmonger with a challenge of a stranger's:\n%s", status)
	if c != nil || !strings.Contains(status, "status: CA_REJECTED") {
		t.Error("it was not rejected")
	}
	if listed := s.listed(intunesim.StateIssued); len(listed) != 1 {
		t.Errorf("Intune lists %d certificates", len(listed))
	}
}

// certmonger runs one enrolment and returns what certmonger says of it, and the
// certificate if there is one.
func (s *site) certmonger(challenge string) (status string, c *x509.Certificate) {
	s.Helper()
	home := s.TempDir()
	if err := os.WriteFile(filepath.Join(home, "challenge"), []byte(challenge), 0o600); err != nil {
		s.Fatal(err)
	}
	env := append(os.Environ(),
		"HOME="+home, "SCEP_URL="+s.ca.SCEP(intune), "ROOT="+s.ca.File("root.crt"),
		"CERTMONGER_TMPDIR="+home, "CERTMONGER_CONFIG_DIR="+home)
	for name, folder := range map[string]string{
		"CERTMONGER_REQUESTS_DIR": "requests", "CERTMONGER_CAS_DIR": "cas", "CERTMONGER_LOCAL_CA_DIR": "local",
	} {
		path := filepath.Join(home, folder)
		if err := os.Mkdir(path, 0o700); err != nil {
			s.Fatal(err)
		}
		env = append(env, name+"="+path)
	}
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dbus-run-session", "--", "sh", "-c", certmongerScript)
	cmd.Env = env
	// The daemon on the private bus inherits the pipe and ends after the script.
	cmd.WaitDelay = 10 * time.Second
	output, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("%v\n%s", err, output)
	}
	status = string(output)
	if i := strings.Index(status, "Request ID"); i >= 0 {
		status = status[i:]
	}
	if i := strings.Index(status, "\tkey pair storage"); i >= 0 {
		status = status[:i]
	}
	text, err := os.ReadFile(filepath.Join(home, "cert.pem"))
	if err != nil {
		return status, nil
	}
	block, _ := pem.Decode(text)
	if block == nil {
		s.Fatalf("no PEM in %q", text)
	}
	if c, err = x509.ParseCertificate(block.Bytes); err != nil {
		s.Fatal(err)
	}
	return status, c
}
