package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// intune is the name of the provisioner of a site.
const intune = "intune"

// site is a CA with one Intune provisioner, and its Intune.
type site struct {
	*testing.T
	sim *harness.Sim
	ca  *harness.CA

	challenges []string // handed out, to be found nowhere
}

// newSite starts a simulator and a CA with badger. Edits change the provisioner's
// entry and the CA's options beforehand.
func newSite(t *testing.T, edits ...func(entry map[string]any, o *harness.Options)) *site {
	t.Helper()
	s := &site{T: t, sim: startSim(t)}
	s.ca = s.startCA(harness.StepCAIntune, newAuthority(t, s.sim, edits...))
	return s
}

func startSim(t *testing.T, flags ...string) *harness.Sim {
	t.Helper()
	if err := noteSources(); err != nil {
		t.Fatal(err)
	}
	sim, err := harness.StartSim(t.Context(), harness.IntuneSim.In(bin), t.TempDir(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Kill)
	return sim
}

func newAuthority(t *testing.T, sim *harness.Sim, edits ...func(entry map[string]any, o *harness.Options)) *harness.Authority {
	t.Helper()
	entry, err := harness.IntuneEntry(intune, sim)
	if err != nil {
		t.Fatal(err)
	}
	// At the most talkative log level, since the log is searched for secrets.
	o := harness.Options{Database: harness.Badger, Env: []string{"STEPDEBUG=1"}}
	for _, edit := range edits {
		edit(entry, &o)
	}
	o.Provisioners = append([]map[string]any{entry}, o.Provisioners...)
	a, err := harness.NewCA(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// startCA runs a CA. When the test ends, what it has printed and what it lists
// must hold no secret.
func (s *site) startCA(program harness.Program, a *harness.Authority) *harness.CA {
	s.Helper()
	ca, err := harness.StartCA(s.Context(), program.In(bin), a)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		select {
		case <-ca.Done():
		default:
			s.checkListing(ca)
			if _, err := ca.Stop(); err != nil {
				s.Error(err)
			}
		}
		s.checkSecrets("the output of "+a.Dir, ca.Output())
		if s.Failed() {
			s.Logf("step-ca printed:\n%s", ca.Output())
		}
	})
	return ca
}

// connect returns a SCEP client of a provisioner.
func (s *site) connect(provisioner string) *device.Client {
	s.Helper()
	c, err := device.Connect(s.Context(), s.ca.SCEP(provisioner), nil)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// challenge returns a fresh one and remembers that it is a secret.
func (s *site) challenge(properties intunesim.Challenge) string {
	s.Helper()
	challenge, err := s.sim.NewChallenge(properties)
	if err != nil {
		s.Fatal(err)
	}
	s.challenges = append(s.challenges, challenge)
	return challenge
}

// genuine returns a Windows request that Intune approves.
func (s *site) genuine(name string) device.CSR {
	s.Helper()
	upn, sid := name+"@contoso.example", "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1004336348-1177238915-682003330-1001"
	challenge := s.challenge(intunesim.Challenge{
		Subject:     "CN=" + name + ",OU=Devices,O=Contoso",
		SANs:        []intunesim.SAN{{Type: "upn", Value: upn}, {Type: "uri", Value: sid}},
		KeyUsage:    []string{"digitalSignature", "keyEncipherment"},
		ExtKeyUsage: []string{"clientAuth"},
		KeyLength:   2048,
		DeviceID:    name,
	})
	return device.Windows("CN="+name+",OU=Devices,O=Contoso", challenge, device.UPN(upn), device.URI(sid))
}

// prepare builds and encrypts a request.
func (s *site) prepare(c *device.Client, csr device.CSR) *device.Message {
	s.Helper()
	r, err := csr.Build()
	if err != nil {
		s.Fatal(err)
	}
	m, err := c.Prepare(r)
	if err != nil {
		s.Fatal(err)
	}
	return m
}

// send sends a message and returns the answer, which must be one.
func (s *site) send(c *device.Client, m *device.Message) *device.Result {
	s.Helper()
	result, err := c.Send(s.Context(), m)
	if err != nil {
		s.Fatal(err)
	}
	return result
}

// issue enrols a genuine device and returns the answer with its certificate.
func (s *site) issue(name string) (*device.Message, *device.Result) {
	s.Helper()
	c := s.connect(intune)
	m := s.prepare(c, s.genuine(name))
	result := s.send(c, m)
	if result.Status != scep.SUCCESS || result.Certificate == nil {
		s.Fatalf("a genuine request got %s", describe(result))
	}
	return m, result
}

// describe says in a line what a device was told.
func describe(r *device.Result) string {
	return fmt.Sprintf("HTTP %d, pkiStatus %q, failInfo %q %q", r.HTTPStatus, string(r.Status), string(r.FailInfo), r.FailInfoText)
}

// isGone reports whether the test has ended Intune.
func (s *site) isGone() bool {
	select {
	case <-s.sim.Done():
		return true
	default:
		return false
	}
}

// fault makes Intune misbehave.
func (s *site) fault(f intunesim.Fault) {
	s.Helper()
	if err := s.sim.AddFault(f); err != nil {
		s.Fatal(err)
	}
}

// calls returns the calls of an operation that Intune received.
func (s *site) calls(operation intunesim.Operation) []intunesim.Request {
	s.Helper()
	return callsTo(s.T, s.sim, operation)
}

func callsTo(t *testing.T, sim *harness.Sim, operation intunesim.Operation) []intunesim.Request {
	t.Helper()
	all, err := sim.Requests()
	if err != nil {
		t.Fatal(err)
	}
	var some []intunesim.Request
	for _, r := range all {
		if r.Operation == operation {
			some = append(some, r)
		}
	}
	return some
}

// listed returns what Intune's console lists in a state.
func (s *site) listed(state intunesim.State) []intunesim.Certificate {
	s.Helper()
	all, err := s.sim.Certificates()
	if err != nil {
		s.Fatal(err)
	}
	var some []intunesim.Certificate
	for _, c := range all {
		if c.State == state {
			some = append(some, c)
		}
	}
	return some
}

// outcome waits for the line in which the CA says how a transaction ended, and
// checks that there is one such line only.
func (s *site) outcome(transactionID string) string {
	s.Helper()
	part := fmt.Sprintf(`"transaction":%q`, transactionID)
	isOutcome := func(line string) bool {
		return strings.Contains(line, `"msg":"enrolment"`) && strings.Contains(line, part)
	}
	var lines []string
	s.eventually("an outcome in the log", func() bool {
		lines = nil
		for line := range strings.Lines(s.ca.Output()) {
			if isOutcome(line) && strings.HasSuffix(line, "\n") {
				lines = append(lines, line)
			}
		}
		return len(lines) > 0
	})
	if len(lines) > 1 {
		s.Errorf("transaction %s left %d outcomes in the log", transactionID, len(lines))
	}
	return lines[0]
}

// eventually waits until another process has come so far. There is no channel
// to wait on across processes, so it looks again and again.
func (s *site) eventually(what string, done func() bool) {
	s.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("%s did not come", what)
		case <-s.Context().Done():
			s.Fatalf("%s did not come before the test ended", what)
		}
	}
}
