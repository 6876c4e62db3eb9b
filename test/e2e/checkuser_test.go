//go:build unix

package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// nobody is an ordinary user on all systems.
const nobody = 65534

func TestCheckFindsWhatTheUserOfStepCACannotRead(t *testing.T) {
	for name, test := range map[string]struct {
		file       func(s *checkSite) string
		area, what string
		advice     string
	}{
		"the client secret": {func(s *checkSite) string { return harness.SecretFile(intune, s.sim) },
			`provisioner "intune"`, "permission denied", "make that user its owner"},
		"the CA's key":      {func(s *checkSite) string { return s.File("intermediate.key") }, "CA", "permission denied", "may read"},
		"the password file": {func(s *checkSite) string { return s.File("password") }, "CA", "permission denied", "user that runs step-ca"},
	} {
		t.Run(name, func(t *testing.T) {
			sim := startSim(t)
			s := &checkSite{T: t, Authority: newAuthority(t, sim, presentable), sim: sim}
			args := []string{"check", s.File("ca.json"), "--password-file", s.File("password"), "--json"}
			run := func() checked {
				cmd := exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), args...)
				s.asOrdinaryUser(cmd)
				return runCheck(t, cmd)
			}
			if c := run(); c.status != 0 {
				t.Fatalf("before: %s", c.output)
			}
			s.must(os.Chmod(test.file(s), 0))
			c := run()
			if c.status != 1 {
				t.Errorf("status %d", c.status)
			}
			c.wants(t, problem, test.area, test.what, test.advice)
		})
	}
}

// asOrdinaryUser lets a command run without root's right to read everything, and gives it
// the files of the CA.
func (s *checkSite) asOrdinaryUser(cmd *exec.Cmd) {
	s.Helper()
	if os.Geteuid() != 0 {
		return
	}
	cmd.Env = append(os.Environ(), "HOME="+s.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	for _, dir := range []string{s.Dir, filepath.Dir(s.sim.RootFile)} {
		s.must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Chown(path, nobody, nobody)
		}))
		s.must(os.Chmod(filepath.Dir(dir), 0o755)) // the folder of the test
	}
	s.must(os.Chmod(bin, 0o755))
}
