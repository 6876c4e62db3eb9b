package matrix

import (
	"os"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// site is a CA with its Intune. When the test ends it is stopped, which ends
// all work under way, and its books are checked.
type site struct {
	*books
	sim *harness.Sim
	ca  *harness.CA
}

// newSite starts a simulator and a CA with the given provisioners of type
// Intune, each changed by its function. Prepare, if there is one, may change
// the CA's files before the start.
func newSite(t *testing.T, entries map[string]func(entry map[string]any), edit func(config map[string]any), prepare func(*harness.Authority) error) *site {
	t.Helper()
	sim, err := harness.StartSim(t.Context(), harness.IntuneSim.In(bin), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Kill)
	o := harness.Options{Edit: edit}
	for name, change := range entries {
		entry, err := harness.IntuneEntry(name, sim)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(entry)
		}
		o.Provisioners = append(o.Provisioners, entry)
	}
	a, err := harness.NewCA(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		if err := prepare(a); err != nil {
			t.Fatal(err)
		}
	}
	ca, err := harness.StartCA(t.Context(), harness.StepCAIntune.In(bin), a)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{sim: sim, ca: ca, books: &books{}}
	t.Cleanup(func() {
		if _, err := ca.Stop(); err != nil {
			t.Error(err)
		}
		s.check(t, sim, ca.Output())
		if t.Failed() {
			t.Logf("the CA printed, among other things:\n%s", about(ca.Output()))
		}
	})
	return s
}

// about returns the lines of a log that are about devices' requests.
func about(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"provisioner":`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// set changes a key of the `intune` object of an entry.
func set(key string, value any) func(entry map[string]any) {
	return func(entry map[string]any) { entry["intune"].(map[string]any)[key] = value }
}

// profile sets the profile of an entry.
func profile(settings map[string]any) func(entry map[string]any) { return set("profile", settings) }

// template sets an entry's certificate template.
func template(text string) func(entry map[string]any) {
	return func(entry map[string]any) {
		entry["options"] = map[string]any{"x509": map[string]any{"template": text}}
	}
}

// defaultDuration sets the validity of an entry's certificates.
func defaultDuration(d string) func(entry map[string]any) {
	return func(entry map[string]any) { entry["claims"].(map[string]any)["defaultTLSCertDuration"] = d }
}

// all makes one change of several.
func all(changes ...func(entry map[string]any)) func(entry map[string]any) {
	return func(entry map[string]any) {
		for _, change := range changes {
			change(entry)
		}
	}
}

// wrongKey gives an entry a secret that Entra ID does not know.
func wrongKey(entry map[string]any) {
	credential := entry["intune"].(map[string]any)["credential"].(map[string]any)
	if err := os.WriteFile(credential["secretFile"].(string), []byte("another-secret\n"), 0o600); err != nil {
		panic(err)
	}
}

// challenge returns a fresh one.
func (s *site) challenge(t *testing.T, c intunesim.Challenge) string {
	t.Helper()
	challenge, err := s.sim.NewChallenge(c)
	if err != nil {
		t.Fatal(err)
	}
	return challenge
}
