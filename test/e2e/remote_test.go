package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// withRemote turns on remote management.
func withRemote(_ map[string]any, o *harness.Options) {
	edit := o.Edit
	o.Edit = func(config map[string]any) {
		config["authority"].(map[string]any)["enableAdmin"] = true
		if edit != nil {
			edit(config)
		}
	}
}

// step runs the command line of step-ca against the running CA, as its first
// administrator, and fails the test when it takes suspiciously long: a CA that
// stands still answers nothing.
func (s *site) step(args ...string) (output string, err error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	args = append(args, "--ca-url", s.ca.URL(""), "--root", s.ca.File("root.crt"))
	cmd := exec.CommandContext(ctx, harness.Step.In(bin), args...)
	cmd.Env = append(cmd.Environ(), "STEPPATH="+s.TempDir())
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		s.Fatalf("step %s got no answer:\n%s", strings.Join(args, " "), text)
	}
	return string(text), err
}

// admin runs step with the flags that prove the first administrator.
func (s *site) admin(args ...string) (output string, err error) {
	s.Helper()
	return s.step(append(args, "--admin-subject", "step", "--admin-provisioner", "Admin JWK", "--admin-password-file", s.ca.File("password"))...)
}

// mustAdmin runs what an administrator may do.
func (s *site) mustAdmin(args ...string) string {
	s.Helper()
	text, err := s.admin(args...)
	if err != nil {
		s.Fatalf("step %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return text
}

// restart stops the CA and starts a program with its files.
func (s *site) restart(program harness.Program) {
	s.Helper()
	if _, err := s.ca.Stop(); err != nil {
		s.Fatal(err)
	}
	s.ca = s.startCA(program, s.ca.Authority)
}

func TestRemoteManagementLeavesAnIntuneEntryInTheFile(t *testing.T) {
	for name, edits := range map[string][]func(map[string]any, *harness.Options){
		"with a new database":                 {withRemote},
		"with others in ca.json to be copied": {withStatic, withRemote},
		"with bolt and a decrypter":           {withRemote, func(_ map[string]any, o *harness.Options) { o.Database, o.EllipticIntermediate = harness.Bolt, true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, edits...)
			s.issue("device-1")
			if err := s.ca.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.issue("device-2")
			s.restart(harness.StepCAIntune)
			s.issue("device-3")
			if text := s.mustAdmin("ca", "admin", "list"); !strings.Contains(text, "Admin JWK") {
				t.Errorf("the administrators are %q", text)
			}
			if text, err := s.step("ca", "provisioner", "list"); err != nil || !strings.Contains(text, `"name": "intune"`) {
				t.Errorf("%v: %s", err, text)
			}
			s.issue("device-4")
		})
	}
}
