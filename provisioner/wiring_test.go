package provisioner

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
	"github.com/step-ca-intune/step-ca-intune/test/proxy"
)

// startSim runs a simulator of Microsoft's side for the time of the test.
func startSim(t testing.TB) *intunesim.Server {
	t.Helper()
	sim, err := intunesim.Start(intunesim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return sim
}

// simSettings is an `intune` object that leads to a simulator.
func simSettings(t testing.TB, sim *intunesim.Server) object {
	t.Helper()
	return object{
		"tenant":     intunesim.DefaultTenant,
		"clientID":   intunesim.DefaultClientID,
		"credential": object{"secretFile": writeFile(t, filepath.Join(t.TempDir(), "secret"), []byte(intunesim.DefaultSecret))},
		"endpoints":  object{"login": sim.URL(), "graph": sim.URL(), "intune": sim.URL()},
		"tls":        object{"rootCAs": sim.RootFile()},
	}
}

// wired is a CA whose entry is as its ca.json says: nothing between the settings and the
// simulator is a test's.
type wired struct {
	t      testing.TB
	sim    *intunesim.Server
	server *httptest.Server
	stderr string
}

// startWired serves an entry with these `intune` settings. The log is as talkative as it
// can be.
func startWired(t *testing.T, sim *intunesim.Server, settings object) *wired {
	t.Helper()
	t.Setenv("STEPDEBUG", "1")
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stderr.Close() })
	p := newPlugin()
	restore := plant(t, func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
		s, err := p.construct(ctx, o, apiv1.SoftCAS, original)
		if err == nil {
			for _, e := range s.(*service).instance.entries {
				t.Cleanup(e.client.(*intune.Client).CloseIdleConnections)
			}
		}
		return s, err
	})
	t.Cleanup(p.Stop)
	defer restore()
	old := os.Stderr
	os.Stderr = stderr // the log is made now, and stays there
	a, err := newAuthority(t, writeCA(t, nil, object{"type": "Intune", "name": "intune", "claims": oneYear(), "intune": settings}))
	if err == nil {
		_, err = a.GetTLSCertificate()
	}
	os.Stderr = old
	if err != nil {
		t.Fatal(err)
	}
	return &wired{t: t, sim: sim, server: serveCA(t, a), stderr: stderr.Name()}
}

// enrol sends a genuine request, which an edit may change, and returns the answer.
func (w *wired) enrol(edit func(*device.CSR)) *device.Result {
	w.t.Helper()
	challenge, err := w.sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-0001", DeviceID: "device-0001"})
	if err != nil {
		w.t.Fatal(err)
	}
	csr := device1(challenge)
	if edit != nil {
		edit(&csr)
	}
	return enrol(w.t, connect(w.t, w.server, "intune"), csr)
}

func (w *wired) log() string {
	w.t.Helper()
	text, err := os.ReadFile(w.stderr)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// outcome returns the one line that an enrolment leaves.
func (w *wired) outcome() string {
	w.t.Helper()
	var lines []string
	for line := range strings.Lines(w.log()) {
		if strings.Contains(line, "msg=enrolment") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		w.t.Fatalf("%d outcomes in %s", len(lines), w.log())
	}
	return lines[0]
}

// calls returns what the simulator received for an operation.
func calls(sim *intunesim.Server, operation intunesim.Operation) []intunesim.Request {
	return slices.DeleteFunc(sim.Requests(), func(r intunesim.Request) bool { return r.Operation != operation })
}

func fault(t testing.TB, sim *intunesim.Server, f intunesim.Fault) {
	t.Helper()
	if err := sim.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

func TestADeviceEnrolsWithEveryKindOfCredential(t *testing.T) {
	for _, c := range credentialCases {
		t.Run(c.name, func(t *testing.T) {
			sim := startSim(t)
			w := startWired(t, sim, with(simSettings(t, sim), c.prepare(t, sim), "credential"))
			if r := w.enrol(nil); r.Status != scep.SUCCESS || r.Certificate == nil {
				t.Fatalf("%s\n%s", show(r), w.log())
			}
			c.check(t, sim)
		})
	}
}

func TestTheCloudDecidesWhichTokenIsAskedFor(t *testing.T) {
	for cloud, graph := range map[string]string{"": "graph.microsoft.com", "usgov": "graph.microsoft.us", "china": "microsoftgraph.chinacloudapi.cn"} {
		t.Run("cloud "+cloud, func(t *testing.T) {
			sim := startSim(t)
			s := with(simSettings(t, sim), cloud, "cloud")
			s["endpoints"] = object{"login": sim.URL(), "intune": sim.URL()}
			w := startWired(t, sim, s)
			if r := w.enrol(nil); r.Status != scep.FAILURE {
				t.Error(show(r))
			}
			tokens := calls(sim, intunesim.OpToken)
			if len(tokens) == 0 || !strings.Contains(tokens[0].Body, graph+"%2F") {
				t.Errorf("asked for %d tokens, none for %s", len(tokens), graph)
			}
		})
	}
}

func TestEverythingGoesThroughTheProxyWhosePasswordStaysSecret(t *testing.T) {
	const password = "proxy~s3cret"
	sim, p := startSim(t), proxy.Start(t, "ca:"+password)
	w := startWired(t, sim, with(simSettings(t, sim), object{
		"url": p.URL, "username": "ca", "passwordFile": writeFile(t, filepath.Join(t.TempDir(), "password"), []byte(password+"\n")),
	}, "proxy"))
	if r := w.enrol(nil); r.Status != scep.SUCCESS {
		t.Errorf("%s\n%s", show(r), w.log())
	}
	basic := base64.StdEncoding.EncodeToString([]byte("ca:" + password))
	hosts := p.Connected()
	if len(hosts) == 0 || p.Refused() > 0 || int64(len(hosts)) != sim.Stats().Connections {
		t.Errorf("%d of %d connections went through the proxy, which refused %d", len(hosts), sim.Stats().Connections, p.Refused())
	}
	for _, host := range hosts {
		if "https://"+host != sim.URL() {
			t.Errorf("the proxy was asked for %s", host)
		}
	}
	for _, secret := range []string{password, basic} {
		if strings.Contains(w.log(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestAPassingFaultIsRetriedAsOftenAsConfigured(t *testing.T) {
	for name, test := range map[string]struct {
		retries any // nil: left out
		want    int
	}{
		"never":      {0, 1},
		"once":       {1, 2},
		"by default": {nil, 1 + defaultRetries},
	} {
		t.Run(name, func(t *testing.T) {
			sim := startSim(t)
			s := simSettings(t, sim)
			if test.retries != nil {
				s["retries"] = test.retries
			}
			fault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Status: http.StatusServiceUnavailable})
			w := startWired(t, sim, s)
			if r := w.enrol(nil); r.Status != scep.FAILURE {
				t.Error(show(r))
			}
			if n := len(calls(sim, intunesim.OpValidate)); n != test.want {
				t.Errorf("Intune was asked %d times, want %d", n, test.want)
			}
		})
	}
}

func TestAFaultThatPassesIsNotNoticed(t *testing.T) {
	sim := startSim(t)
	fault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Status: http.StatusServiceUnavailable, Times: defaultRetries})
	if r := startWired(t, sim, simSettings(t, sim)).enrol(nil); r.Status != scep.SUCCESS {
		t.Error(show(r))
	}
}

func TestAServiceOnAHostThatIsNotAllowedGetsNoToken(t *testing.T) {
	for _, test := range []struct {
		host    string
		allowed bool
	}{{"127.0.0.1", true}, {"manage.contoso.example", false}} {
		t.Run(test.host, func(t *testing.T) {
			sim := startSim(t)
			w := startWired(t, sim, with(simSettings(t, sim), []any{test.host}, "allowedServiceHosts"))
			r := w.enrol(nil)
			asked := len(calls(sim, intunesim.OpValidate)) > 0
			if asked != test.allowed || (r.Status == scep.SUCCESS) != test.allowed {
				t.Errorf("asked: %t; %s", asked, show(r))
			}
			if line := w.outcome(); !test.allowed && (!strings.Contains(line, intune.ErrServiceNotFound.Error()) || !strings.Contains(line, "allowedServiceHosts")) {
				t.Errorf("logged %s", line)
			}
		})
	}
}

func TestIntuneLearnsWhichCAIssued(t *testing.T) {
	sim := startSim(t)
	w := startWired(t, sim, with(simSettings(t, sim), "Contoso's second CA", "caID"))
	if r := w.enrol(nil); r.Status != scep.SUCCESS {
		t.Fatal(show(r))
	}
	listed := sim.Certificates()
	if len(listed) != 1 || listed[0].CAConfiguration != "Contoso's second CA" || listed[0].CertificateAuthority != "Contoso's second CA" {
		t.Errorf("listed %+v", listed)
	}
}

func TestTheTimeoutEndsAnEnrolment(t *testing.T) {
	sim := startSim(t)
	gone, hold := make(chan struct{}), make(chan struct{})
	defer close(hold)
	fault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Hold: hold, Gone: sync.OnceFunc(func() { close(gone) })})
	w := startWired(t, sim, with(simSettings(t, sim), "2s", "timeout"))
	begin := time.Now()
	r := w.enrol(nil)
	if took := time.Since(begin); r.Status != scep.FAILURE || took < 1900*time.Millisecond || took > 8*time.Second {
		t.Errorf("%s after %s", show(r), took)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("the call to Intune goes on")
	}
}

func TestTheOutcomeNamesWhatACertificateLacks(t *testing.T) {
	sim := startSim(t)
	w := startWired(t, sim, simSettings(t, sim))
	private := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: []byte{5, 0}}
	r := w.enrol(func(csr *device.CSR) { csr.Extensions = append(csr.Extensions, private) })
	if r.Certificate == nil {
		t.Fatal(show(r))
	}
	if slices.ContainsFunc(r.Certificate.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(private.Id) }) {
		t.Error("the extension was copied")
	}
	if line := w.outcome(); !strings.Contains(line, `dropped="extension 1.3.6.1.4.1.99999.1"`) {
		t.Errorf("logged %s", line)
	}
}

func TestOnlyTheRootsOfTheSettingsAreTrusted(t *testing.T) {
	sim, other := startSim(t), startSim(t)
	if bytes.Equal(sim.RootPEM(), other.RootPEM()) {
		t.Fatal("two simulators share a root")
	}
	w := startWired(t, sim, with(simSettings(t, sim), other.RootFile(), "tls", "rootCAs"))
	if r := w.enrol(nil); r.Status != scep.FAILURE {
		t.Error(show(r))
	}
	if line := w.outcome(); !strings.Contains(line, x509.UnknownAuthorityError{}.Error()) {
		t.Errorf("logged %s", line)
	}
}
