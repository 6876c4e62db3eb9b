package bench

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

func TestAnUnknownScenarioIsRefused(t *testing.T) {
	_, err := Run(t.Context(), Plan{Scenarios: []string{"a", "z"}})
	if err == nil || !strings.Contains(err.Error(), `"z"`) {
		t.Errorf("got %v", err)
	}
}

func TestTooFewEnrolmentsAreRefused(t *testing.T) {
	_, err := Run(t.Context(), Plan{Scenarios: []string{"e"}, Enrolments: fewestEnrolments - 1})
	if err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("got %v", err)
	}
}

func TestTheProcessorsTimeOfAProcessIsCounted(t *testing.T) {
	if _, err := proc(0).cpu(); err == nil {
		t.Error("a process that is not there has a time")
	}
}

func TestWhatRunsAlongsideIsStoppedAndItsErrorKept(t *testing.T) {
	wrong := errors.New("wrong")
	stopped := false
	err := alongside(t.Context(), func(ctx context.Context) error { <-ctx.Done(); stopped = true; return wrong },
		func(context.Context) error { return nil })
	if !stopped || !errors.Is(err, wrong) {
		t.Errorf("stopped %t, %v", stopped, err)
	}
}

// A short run of the first scenario, with the real programs: it says nothing about time.
func TestARunMeasuresBothServers(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs both servers")
	}
	if err := harness.NoteSources(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := Plan{Quick: true, Scenarios: []string{"a"}, Pairs: 1, Bin: t.TempDir(), Dir: t.TempDir()}
	if err := harness.Build(t.Context(), p.Bin, harness.StepCAIntune, harness.StepCA, harness.IntuneSim); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 8, 64} {
		for _, figure := range []string{figureRate, figureP50, figureP99, figureCPU, figureMemory, figureFiles, figureGoroutines} {
			f := r.figureOf("a", clients(n), figure)
			if f == nil || len(f.Values[0]) != 1 || len(f.Values[1]) != 1 || f.Values[0][0] <= 0 || f.Values[1][0] <= 0 {
				t.Errorf("%s, %s: %+v", clients(n), figure, f)
			}
		}
	}
	if !strings.HasPrefix(r.Machine.StepCA, "v0.") {
		t.Errorf("the stock step-ca is %q", r.Machine.StepCA)
	}
	if g := goalAbout(t, r, "validations"); !g.Reached {
		t.Errorf("calls to Intune: %+v", g.Value)
	}
	var page strings.Builder
	if err := r.Markdown(&page); err != nil || !strings.Contains(page.String(), "| CPU per enrolment, ms |") {
		t.Errorf("%v\n%s", err, page.String())
	}
}
