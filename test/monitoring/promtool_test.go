//go:build promtool

package monitoring

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool runs Prometheus' own checker.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "FAILED") {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("promtool %s\n%s", strings.Join(args, " "), out)
}

// Anything that is against Prometheus' conventions is an error of this.
func TestPromtoolAcceptsTheMetrics(t *testing.T) { promtool(t, scrape(t), "check", "metrics") }

func TestPromtoolAcceptsTheExamples(t *testing.T) {
	promtool(t, "", "check", "rules", "--lint-fatal", alerts)
	promtool(t, "", "check", "config", "--lint-fatal", filepath.Join(filepath.Dir(alerts), "prometheus.yml"))
}

func TestPromtoolSeesEachAlertFire(t *testing.T) {
	promtool(t, "", "test", "rules", "alerts_test.yml")
	tests := read(t, "alerts_test.yml")
	for line := range strings.Lines(read(t, alerts)) {
		if _, name, ok := strings.Cut(line, "- alert: "); ok && strings.Count(tests, "alertname: "+strings.TrimSpace(name)) < 2 {
			t.Errorf("%s is not tried", strings.TrimSpace(name))
		}
	}
}

// promtool reads no dashboards: its queries become the rules of a file.
func TestPromtoolAcceptsTheQueriesOfTheDashboard(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, expression := range expressions(t, dashboard) {
		expression = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1d", "$", "").Replace(expression)
		fmt.Fprintf(&rules, "      - record: dashboard:query_%d\n        expr: '%s'\n", i, expression)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", "--lint-fatal", file)
}

// scrape returns /metrics as it is.
func scrape(t *testing.T) string {
	t.Helper()
	res, err := http.Get(fmt.Sprintf("http://%s/metrics", serve(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
