package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// newShownSite is a site whose CA has a status listener, and denies a name, which makes a
// failure to report.
func newShownSite(t *testing.T) (s *site, address string) {
	t.Helper()
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return newSite(t, func(_ map[string]any, o *harness.Options) {
		o.Edit = func(config map[string]any) {
			config["intune"] = map[string]any{"statusAddress": address}
			config["authority"].(map[string]any)["policy"] = map[string]any{"x509": map[string]any{"deny": map[string]any{"dns": []string{"denied.example"}}}}
		}
	}), address
}

// denied sends a request that Intune approves and the CA's policy forbids.
func (s *site) denied(name string) {
	s.Helper()
	c := s.connect(intune)
	csr := device.IPhone("CN="+name, "", device.DNS("denied.example"))
	csr.Challenge = s.challenge(intunesim.Challenge{Subject: "CN=" + name})
	if result := s.send(c, s.prepare(c, csr)); result.Status != scep.FAILURE {
		s.Fatalf("a denied name: %s", describe(result))
	}
}

// run runs a command of the program against the CA's ca.json.
func (s *site) run(args ...string) (status int, output string) {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), harness.StepCAIntune.In(bin), args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	s.checkSecrets(strings.Join(args, " "), string(out))
	return cmd.ProcessState.ExitCode(), string(out)
}

// forged sends a forged request.
func (s *site) forged(name string) {
	s.Helper()
	c := s.connect(intune)
	csr := device.IPhone("CN="+name, "")
	csr.Challenge = s.challenge(intunesim.Challenge{Subject: "CN=" + name, Flaw: intunesim.FlawSignature})
	if result := s.send(c, s.prepare(c, csr)); result.Status != scep.FAILURE {
		s.Fatalf("a forged challenge: %s", describe(result))
	}
}

func TestStatusTellsWhatHasHappened(t *testing.T) {
	t.Parallel()
	s, _ := newShownSite(t)
	s.issue("device-1")
	s.forged("device-2")
	status, out := s.run("status", s.ca.File("ca.json"))
	for _, want := range []string{"ready, since", intunesim.DefaultTenant, "answered", "issued      1", "refused     1", "SignatureValidationFailed: The signature of the challenge is not valid.", "CN=device-2", "REPORTS"} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, %q is missing in\n%s", status, want, out)
		}
	}
	if err := s.sim.SetSecrets([]string{"another"}, nil); err != nil {
		t.Fatal(err)
	}
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Status: 401})
	c := s.connect(intune)
	s.send(c, s.prepare(c, s.genuine("device-3")))
	if _, out := s.run("status", s.ca.File("ca.json")); !strings.Contains(out, "FAILING") || !strings.Contains(out, "token is unauthorized since") || !strings.Contains(out, "AADSTS7000215") {
		t.Errorf("the wrong secret is not shown:\n%s", out)
	}
}

// deadIn returns the ids of the dead reports in a list.
func deadIn(list string) (ids []string) {
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[1] == "dead" {
			ids = append(ids, fields[0])
		}
	}
	return ids
}

func TestDeadReportsAreShownRetriedAndDropped(t *testing.T) {
	t.Parallel()
	s, address := newShownSite(t)
	s.fault(intunesim.Fault{Operation: intunesim.OpFailure, Code: "BadDeviceIdInChallenge", Times: 2})
	s.denied("device-1")
	s.denied("device-2")
	var ids []string
	s.eventually("two dead reports", func() bool {
		_, out := s.run("reports", "list", "--address", address)
		ids = deadIn(out)
		return len(ids) == 2
	})
	status, out := s.run("reports", "show", "--address", address, ids[0])
	for _, want := range []string{"dead", "failure", "CN=device-1", "0x80070005 (E_ACCESSDENIED)", "BadDeviceIdInChallenge"} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, %q is missing in\n%s", status, want, out)
		}
	}
	failures := func() int { return len(s.calls(intunesim.OpFailure)) }
	before := failures()
	if status, out := s.run("reports", "retry", "--address", address, ids[0]); status != 0 {
		t.Errorf("retry: %d, %s", status, out)
	}
	s.eventually("the report at Intune", func() bool { return failures() == before+1 })
	if status, out := s.run("reports", "drop", "--address", address, ids[1]); status != 0 {
		t.Errorf("drop: %d, %s", status, out)
	}
	s.eventually("an empty outbox", func() bool {
		_, out := s.run("reports", "list", "--address", address)
		return strings.Contains(out, "There are no reports.")
	})
	if n := failures(); n != before+1 {
		t.Errorf("the dropped report was sent: %d calls", n)
	}
	s.eventually("metrics without reports", func() bool {
		m, err := harness.Scrape(t.Context(), address)
		return err == nil && m.Sum("step_ca_intune_reports_dead") == 0
	})
}

func TestTheListenerOutlivesReloads(t *testing.T) {
	t.Parallel()
	s, first := newShownSite(t)
	second, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	issued := func(address string, want float64) {
		t.Helper()
		m, err := harness.Scrape(t.Context(), address)
		if got := m.Sum("step_ca_intune_enrolments_total", "outcome=issued"); err != nil || got != want {
			t.Errorf("%s counts %v of %v, %v", address, got, want, err)
		}
	}
	move := func(block map[string]any) error {
		s.edit(func(config map[string]any) { config["intune"] = block })
		return s.ca.Reload(t.Context())
	}
	s.issue("device-1")
	issued(first, 1)
	if err := move(map[string]any{"statusAddress": first}); err != nil {
		t.Fatal(err)
	}
	issued(first, 1)
	if err := move(map[string]any{"statusAddress": "0.0.0.0:9190"}); err == nil || !strings.Contains(err.Error(), "intune.statusAddress") {
		t.Errorf("got %v", err)
	}
	if err := move(map[string]any{"statusAddress": s.ca.Address}); err == nil || !strings.Contains(err.Error(), "intune.statusAddress") {
		t.Errorf("got %v", err)
	}
	s.issue("device-2")
	issued(first, 2)
	if err := move(map[string]any{"statusAddress": second}); err != nil {
		t.Fatal(err)
	}
	s.issue("device-3")
	issued(second, 3)
	if _, err := http.Get("http://" + first + "/healthz"); err == nil {
		t.Error("the first address still answers")
	}
	if _, err := s.ca.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get("http://" + second + "/healthz"); err == nil {
		t.Error("it outlives the CA")
	}
}

// `export` makes an authority and serves nothing: that somebody else has the address is of no
// interest to it.
func TestExportDoesNotListen(t *testing.T) {
	t.Parallel()
	s, address := newShownSite(t)
	if _, err := s.ca.Stop(); err != nil { // badger is for one process
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cmd := exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), "export", s.ca.File("ca.json"), "--password-file", s.ca.File("password"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "provisioners") {
		t.Errorf("export: %v\n%s", err, out)
	}
}

// While enrolments end at a stop, load balancers send no new ones.
func TestAStoppingCAIsNotReady(t *testing.T) {
	t.Parallel()
	s, address := newShownSite(t)
	s.issue("device-1")
	ready := func() (int, string) {
		res, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	if code, body := ready(); code != http.StatusOK || !strings.Contains(body, intunesim.DefaultTenant) {
		t.Errorf("a running CA: %d %s", code, body)
	}
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-2"))
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Delay: 2 * time.Second})
	asked, answered := len(s.calls(intunesim.OpValidate)), make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = c.Send(t.Context(), m)
	}()
	s.eventually("the request at Intune", func() bool { return len(s.calls(intunesim.OpValidate)) > asked })
	go func() { _, _ = s.ca.Stop() }()
	s.eventually("a CA that is not ready", func() bool {
		code, body := ready()
		return code == http.StatusServiceUnavailable && strings.Contains(body, "stopping")
	})
	<-answered
	<-s.ca.Done()
}
