package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// made is a CA that init has made or changed.
type made struct {
	*site
	folder        string // step's
	https, http   string // addresses
	output        string // of init
	password, url string
}

// From nothing, or from a CA that step has made, to a device with a certificate: init,
// check, start, enrol.
func TestFromInitToTheFirstDevice(t *testing.T) {
	for name, prepare := range map[string]func(m *made) (flags []string){
		"with RSA keys":         func(m *made) []string { return m.fresh() },
		"with elliptic keys":    func(m *made) []string { return append(m.fresh(), "--kty", "EC") },
		"on a CA of step's own": (*made).stepCA,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMade(t)
			m.init(prepare(m)...)
			m.check()
			m.start()
			m.enrolForeign()
			m.enrolOverTLS()
			if issued := m.listed(intunesim.StateIssued); len(issued) != 2 {
				t.Errorf("Intune lists %d certificates", len(issued))
			}
		})
	}
}

func newMade(t *testing.T) *made {
	t.Helper()
	m := &made{site: &site{T: t, sim: startSim(t)}, folder: filepath.Join(t.TempDir(), "step")}
	m.password = filepath.Join(m.folder, "secrets", "password")
	var err error
	if m.https, err = harness.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	if m.http, err = harness.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	return m
}

// fresh is a new CA.
func (m *made) fresh() []string {
	return []string{"--dir", m.folder, "--name", "Contoso", "--dns", "ca.contoso.example, 127.0.0.1", "--address", m.https, "--insecure-address", m.http}
}

// stepCA makes a CA with the step command line, which serves SCEP over HTTP as well.
func (m *made) stepCA() []string {
	m.Helper()
	m.password = filepath.Join(m.TempDir(), "password")
	if err := os.WriteFile(m.password, []byte("open sesame\n"), 0o600); err != nil {
		m.Fatal(err)
	}
	cmd := exec.CommandContext(m.Context(), harness.Step.In(bin), "ca", "init", "--name", "Contoso", "--dns", "ca.contoso.example", "--dns", "127.0.0.1",
		"--address", m.https, "--provisioner", "operator", "--password-file", m.password, "--deployment-type", "standalone")
	cmd.Env = append(cmd.Environ(), "STEPPATH="+m.folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
	text := m.read("config", "ca.json")
	text = strings.Replace(text, `"insecureAddress": ""`, `"insecureAddress": "`+m.http+`"`, 1)
	if err := os.WriteFile(m.config(), []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
	return []string{"--existing", m.config(), "--password-file", m.password}
}

func (m *made) config() string { return filepath.Join(m.folder, "config", "ca.json") }

func (m *made) read(name ...string) string {
	m.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{m.folder}, name...)...))
	if err != nil {
		m.Fatal(err)
	}
	return string(text)
}

// init runs the command for the simulated tenant, without questions.
func (m *made) init(flags ...string) {
	m.Helper()
	secret := filepath.Join(m.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte(intunesim.DefaultSecret), 0o600); err != nil {
		m.Fatal(err)
	}
	args := append([]string{"init", "--yes", "--tenant", intunesim.DefaultTenant, "--client-id", intunesim.DefaultClientID, "--secret-file", secret,
		"--login-endpoint", m.sim.URL(), "--graph-endpoint", m.sim.URL(), "--intune-endpoint", m.sim.URL(), "--root-cas", m.sim.RootFile}, flags...)
	out, err := exec.CommandContext(m.Context(), harness.StepCAIntune.In(bin), args...).CombinedOutput()
	m.output = string(out)
	if err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
	m.checkSecrets("the output of init", m.output)
	url := regexp.MustCompile(`(?m)SCEP server URL +(https://\S+)$`).FindStringSubmatch(m.output)
	if url == nil {
		m.Fatalf("there is no SCEP URL in\n%s", m.output)
	}
	m.url = url[1]
}

// check runs the command, which finds nothing to complain of.
func (m *made) check() {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), harness.StepCAIntune.In(bin), "check", m.config(), "--password-file", m.password)
	if c := runCheck(m.T, cmd); c.status != 0 || !strings.HasSuffix(c.output, "\n0 problems, 0 warnings\n") {
		m.Errorf("check ends with status %d:\n%s", c.status, c.output)
	}
}

// command is what starts the CA.
func (m *made) command() string {
	return "step-ca-intune --password-file " + m.password + " " + m.config()
}

// start runs the CA as init says.
func (m *made) start() {
	m.Helper()
	want := "  " + m.command() + "\n"
	if !strings.Contains(m.output, want) {
		m.Errorf("%q is not in\n%s", want, m.output)
	}
	p, err := harness.Start(harness.StepCAIntune.In(bin), strings.Fields(want)[1:], nil)
	if err != nil {
		m.Fatal(err)
	}
	m.ca = &harness.CA{Process: p, Authority: &harness.Authority{Dir: filepath.Dir(m.config()), InsecureAddress: m.http}}
	m.Cleanup(func() {
		if _, err := p.Stop(); err != nil {
			m.Error(err)
		}
		m.checkSecrets("the log", p.Output())
		if m.Failed() {
			m.Logf("step-ca printed:\n%s", p.Output())
		}
	})
	ctx, cancel := context.WithTimeout(m.Context(), time.Minute)
	defer cancel()
	for _, line := range []string{"Serving HTTPS on " + m.https, "Serving HTTP on " + m.http} {
		if _, err := p.WaitLine(ctx, 0, line); err != nil {
			m.Fatal(err)
		}
	}
}

// enrolForeign gets a certificate with a client that nobody here wrote.
func (m *made) enrolForeign() {
	m.Helper()
	challenge := m.challenge(intunesim.Challenge{Subject: "CN=foreign,OU=Devices,O=Contoso,C=GB", KeyLength: 2048, DeviceID: "foreign"})
	c, output, err := harness.Foreign(m.Context(), harness.SCEPClient.In(bin), m.TempDir(), "http://"+m.http+"/scep/intune",
		"-cn", "foreign", "-organization", "Contoso", "-ou", "Devices", "-country", "GB", "-challenge", challenge, "-key-encipherment-selector")
	if err != nil {
		m.Fatalf("%v\n%s", err, output)
	}
	m.verify(c)
}

// enrolOverTLS enrols a device at the URL that init has told, which trusts the root that init
// has told.
func (m *made) enrolOverTLS() {
	m.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(m.read("certs", "root_ca.crt"))) {
		m.Fatal("the root is not PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, m.https) // no name server knows the CA's name
	}
	c, err := device.Connect(m.Context(), m.url, &http.Client{Timeout: 30 * time.Second, Transport: transport})
	if err != nil {
		m.Fatal(err)
	}
	// Windows looks for the certificate of the SCEP profile, the root, among these.
	if !bytes.Equal(c.CA[len(c.CA)-1].RawSubject, c.CA[len(c.CA)-1].RawIssuer) {
		m.Error("the CA does not answer with its root")
	}
	result := m.send(c, m.prepare(c, m.genuine("device-1")))
	if result.Status != scep.SUCCESS || result.Certificate == nil {
		m.Fatalf("got %s", describe(result))
	}
	m.verify(result.Certificate)
}

// verify checks a device's certificate: it leads to the root and is valid for a year.
func (m *made) verify(c *x509.Certificate) {
	m.Helper()
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(m.read("certs", "root_ca.crt")))
	intermediates.AppendCertsFromPEM([]byte(m.read("certs", "intermediate_ca.crt")))
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		m.Errorf("%s: %v", c.Subject, err)
	}
	if valid := c.NotAfter.Sub(c.NotBefore); valid < 8760*time.Hour || valid > 8761*time.Hour {
		m.Errorf("%s is valid for %s", c.Subject, valid)
	}
}
