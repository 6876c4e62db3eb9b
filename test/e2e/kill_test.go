package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// A kill in the middle of a write leaves the beginning of it in badger's value log, and
// step-ca alone does not open such a database.
func TestACAThatWasKilledInTheMiddleOfAWriteStartsAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(intune)
	if result := s.send(c, s.prepare(c, s.genuine("device-1"))); result.Status != scep.SUCCESS {
		t.Fatalf("before the kill: %s", describe(result))
	}
	s.ca.Kill()
	<-s.ca.Done()
	logs, err := filepath.Glob(filepath.Join(s.ca.Authority.Dir, "*", "*.vlog"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no value log: %v", err)
	}
	file := slices.Max(logs)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()-10); err != nil {
		t.Fatal(err)
	}
	s.ca = s.startCA(harness.StepCAIntune, s.ca.Authority)
	if !strings.Contains(s.ca.Output(), "half-written") {
		t.Error("the log does not name what was mended")
	}
	c = s.connect(intune)
	if result := s.send(c, s.prepare(c, s.genuine("device-2"))); result.Status != scep.SUCCESS {
		t.Errorf("after the start: %s", describe(result))
	}
}
