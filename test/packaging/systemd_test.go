// Package packaging tries what a release is installed with, as far as that can be done
// without systemd as process 1 and without a container engine.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smallstep/certificates/commands"
)

const (
	unitFile = "../../packaging/step-ca-intune.service"
	program  = "/usr/local/bin/step-ca-intune"
)

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings returns all values of a key of the unit.
func settings(t *testing.T, key string) []string {
	t.Helper()
	var values []string
	for line := range strings.Lines(readFile(t, unitFile)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && k == key {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		t.Fatalf("the unit sets no %s", key)
	}
	return values
}

// wantOurCommand checks a command line: our program, the configuration, and flags that exist.
func wantOurCommand(t *testing.T, words []string) {
	t.Helper()
	if len(words) < 2 || words[0] != program || words[1] != "/etc/step-ca/config/ca.json" {
		t.Errorf("command %q", words)
	}
	var flags []string
	for _, f := range commands.AppCommand.Flags {
		flags = append(flags, "--"+f.GetName())
	}
	for _, w := range words {
		if strings.HasPrefix(w, "-") && !slices.Contains(flags, w) {
			t.Errorf("there is no flag %s", w)
		}
	}
}

func TestTheServiceStartsOurProgram(t *testing.T) {
	wantOurCommand(t, strings.Fields(settings(t, "ExecStart")[0]))
	if user := settings(t, "User")[0]; user == "root" {
		t.Error("it runs as root")
	}
	if got := settings(t, "TimeoutStopSec")[0]; got != "30" {
		t.Errorf("it is killed after %s s; docs/operations.md says 30", got)
	}
}

// analyze runs systemd-analyze on the unit, with a program that is there on every machine.
func analyze(t *testing.T, args ...string) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	unit := filepath.Join(t.TempDir(), filepath.Base(unitFile))
	text := strings.Replace(readFile(t, unitFile), "ExecStart="+program, "ExecStart=/bin/true", 1)
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, append(args, unit)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), unit+":") {
		t.Errorf("systemd-analyze %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestSystemdUnderstandsTheService(t *testing.T) { analyze(t, "verify") }

func TestTheServiceCanDoLittle(t *testing.T) {
	// 16 of 100: what is left is the network, the host's files to read, and port 443.
	analyze(t, "security", "--offline=true", "--threshold=16", "--no-pager")
}
