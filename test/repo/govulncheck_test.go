package repo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The exit statuses and texts are those of govulncheck v1.9.0.
func TestOnlyAVulnerabilityDatabaseOutOfReachIsSkipped(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell script")
	}
	for name, test := range map[string]struct {
		status  string
		text    string
		skipped bool
	}{
		"no name server":            {"1", `govulncheck: fetching vulnerabilities: Get "https://vuln.go.dev/index/modules.json.gz": dial tcp: lookup vuln.go.dev: no such host`, true},
		"a proxy that says no":      {"1", `govulncheck: fetching vulnerabilities: Get "https://vuln.go.dev/index/modules.json.gz": Forbidden`, true},
		"no findings":               {"0", "No vulnerabilities found.", false},
		"findings":                  {"3", "Vulnerability #1: GO-2026-0001", false},
		"findings about a network":  {"3", `Vulnerability #1: GO-2026-0002 "dial tcp" and fetching vulnerabilities: Get "x": connection refused`, false},
		"a module out of reach":     {"1", `govulncheck: loading packages: Get "https://proxy.golang.org/x": dial tcp: connection refused`, false},
		"a database that is broken": {"1", "govulncheck: fetching vulnerabilities: gzip: invalid header", false},
		"a wrong flag":              {"2", "flag provided but not defined", false},
	} {
		t.Run(name, func(t *testing.T) {
			fake := filepath.Join(t.TempDir(), "govulncheck")
			script := "#!/bin/sh\ncat <<'EOF'\n" + test.text + "\nEOF\nexit " + test.status + "\n"
			if err := os.WriteFile(fake, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "test/tools/govulncheck.sh"), fake).CombinedOutput()
			status := "0"
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				status = string(rune('0' + exit.ExitCode()))
			} else if err != nil {
				t.Fatal(err)
			}
			want := test.status
			if test.skipped {
				want = "0"
			}
			if skipped := strings.Contains(string(out), "skipped"); skipped != test.skipped || status != want {
				t.Errorf("status %s: %s", status, out)
			}
		})
	}
}
