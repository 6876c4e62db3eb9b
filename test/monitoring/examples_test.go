package monitoring

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	alerts    = "../../examples/monitoring/alerts.yml"
	dashboard = "../../examples/monitoring/dashboard.json"
	manual    = "../../docs/operations.md"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	metric  = regexp.MustCompile(`step_ca_intune_[a-z_]+`)
	use     = regexp.MustCompile(`(step_ca_intune_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	// A query sums by labels, and a legend or a text names them.
	grouped = regexp.MustCompile(`by \(([a-z_, ]+)\)\s*\(\s*(?:rate|increase)\(\s*(step_ca_intune_[a-z_]+)`)
)

// expressions are the queries of a file, as they stand there.
func expressions(t *testing.T, file string) []string {
	t.Helper()
	if file == dashboard {
		var all []string
		for _, p := range readDashboard(t).Panels {
			for _, target := range p.Targets {
				all = append(all, target.Expr)
			}
		}
		return all
	}
	return []string{read(t, file)}
}

func TestTheExamplesUseMetricsAndLabelsThatExist(t *testing.T) {
	exist := metrics(t)
	for _, file := range []string{alerts, dashboard} {
		used := 0
		for _, text := range expressions(t, file) {
			for _, u := range use.FindAllStringSubmatch(text, -1) {
				used++
				labels, ok := exist[u[1]]
				if !ok {
					t.Errorf("%s: there is no metric %s", file, u[1])
				}
				for _, m := range matcher.FindAllStringSubmatch(u[2], -1) {
					if ok && !labels[m[1]] {
						t.Errorf("%s: %s has no label %s", file, u[1], m[1])
					}
				}
			}
			for _, g := range grouped.FindAllStringSubmatch(text, -1) {
				for label := range strings.SplitSeq(g[1], ",") {
					if label = strings.TrimSpace(label); !exist[g[2]][label] {
						t.Errorf("%s: %s has no label %s", file, g[2], label)
					}
				}
			}
		}
		if used < 10 {
			t.Errorf("%s uses %d metrics", file, used)
		}
	}
}

// family is the name of a metric without what a histogram adds.
func family(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.TrimPrefix(name, "step_ca_intune_")
}

func TestTheManualHasEachMetricAndNoOther(t *testing.T) {
	var exist, told []string
	for name := range metrics(t) {
		if strings.HasPrefix(name, "step_ca_intune_") {
			exist = append(exist, family(name))
		}
	}
	_, section, found := strings.Cut(read(t, manual), "### Metrics")
	if !found {
		t.Fatal("there is no section")
	}
	section, _, _ = strings.Cut(section, "\n#")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			told = append(told, name[1])
		}
	}
	slices.Sort(exist)
	slices.Sort(told)
	if exist = slices.Compact(exist); !slices.Equal(exist, told) {
		t.Errorf("there are\n%q, told are\n%q", exist, told)
	}
}

func TestEachMetricIsOnTheDashboard(t *testing.T) {
	text := read(t, dashboard)
	var shown []string
	for _, name := range metric.FindAllString(text, -1) {
		shown = append(shown, family(name))
	}
	for name := range metrics(t) {
		if strings.HasPrefix(name, "step_ca_intune_") && !slices.Contains(shown, family(name)) {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestTheManualHasEachAlertAndNoOther(t *testing.T) {
	names := func(text, pattern string) (found []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		return found
	}
	exist, told := names(read(t, alerts), `- alert: (\w+)`), names(read(t, manual), "(?m)^\\| `(StepCAIntune\\w+)`")
	if len(exist) == 0 || !slices.Equal(exist, told) {
		t.Errorf("there are\n%q, told are\n%q", exist, told)
	}
}
