package bench

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASpreadIsAMedianWithItsQuartiles(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   Spread
	}{
		"an odd number of values":  {[]float64{5, 1, 3, 2, 4}, Spread{2, 3, 4}},
		"an even number of values": {[]float64{4, 1, 2, 3}, Spread{1.75, 2.5, 3.25}},
		"one value":                {[]float64{7}, Spread{7, 7, 7}},
		"no value":                 {nil, Spread{}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// measured returns a report with one measurement, whose sides have the given values.
func measured(scenario, situation, figure string, sides ...[]float64) *Report {
	m := &Measurement{Scenario: scenario, Situation: situation, Sides: make([]string, len(sides))}
	for side, values := range sides {
		for _, v := range values {
			m.add(side, sample{figure: v})
		}
	}
	m.summarise()
	return &Report{Measurements: []*Measurement{m}}
}

// A machine that becomes slower half-way slows both sides of a pair.
func TestTheRatioIsThatOfPairs(t *testing.T) {
	r := measured("a", clients(64), figureCPU, []float64{11, 22, 33}, []float64{10, 20, 30})
	got := r.Measurements[0].Figures[0].Ratios[0]
	if math.Abs(got.Q1-1.1) > 1e-9 || math.Abs(got.Q3-1.1) > 1e-9 {
		t.Errorf("got %v", got)
	}
}

func goalAbout(t *testing.T, r *Report, figure string) Goal {
	t.Helper()
	for _, g := range goalsOf(r) {
		if strings.Contains(g.Figure, figure) {
			return g
		}
	}
	t.Fatalf("there is no goal about %q", figure)
	return Goal{}
}

func TestGoalsAreReachedOrNot(t *testing.T) {
	grown := func(oursLast float64) *Report {
		r := measured("e", first, figureRate, []float64{100}, []float64{200})
		r.Measurements = append(r.Measurements, measured("e", last, figureRate, []float64{oursLast}, []float64{100}).Measurements...)
		return r
	}
	for name, c := range map[string]struct {
		report  *Report
		figure  string
		value   float64
		reached bool
	}{
		"little more CPU than stock":        {measured("a", clients(64), figureCPU, []float64{5.5}, []float64{5}), "CPU per enrolment, Intune", 1.1, true},
		"much more CPU than stock":          {measured("a", clients(64), figureCPU, []float64{6}, []float64{5}), "CPU per enrolment, Intune", 1.2, false},
		"nearly the rate of stock":          {measured("a", clients(64), figureRate, []float64{95}, []float64{100}), "rate with 64", 0.95, true},
		"half the rate of stock":            {measured("a", clients(64), figureRate, []float64{50}, []float64{100}), "rate with 64", 0.5, false},
		"little beside Intune's answers":    {measured("b", clients(8), figureP50, []float64{206}, []float64{5}), "median latency", 1, true},
		"much beside Intune's answers":      {measured("b", clients(8), figureP50, []float64{209}, []float64{5}), "median latency", 4, false},
		"two calls for each enrolment":      {measured("a", clients(64), figureCalls, []float64{2000, 2000}, nil), "validations", 2000, true},
		"one call repeated":                 {measured("a", clients(64), figureCalls, []float64{2000, 2004}, nil), "validations", 2002, false},
		"a token in steady state":           {measured("a", clients(64), figureOther, []float64{0, 3}, nil), "tokens", 1.5, false},
		"the worst of two waits":            {measured("d", "Intune takes 8 s", figurePerWaiting, []float64{20, 40}), "memory", 40, false},
		"slower as stock becomes slower":    {grown(50), "time per enrolment", 1, true},
		"slower while stock stays as it is": {grown(25), "time per enrolment", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := goalAbout(t, c.report, c.figure)
			if g.Value == nil || math.Abs(g.Value.Median-c.value) > 1e-9 || g.Reached != c.reached {
				t.Errorf("got %+v, reached %t", g.Value, g.Reached)
			}
		})
	}
}

func TestAGoalThatWasNotMeasuredIsNotReached(t *testing.T) {
	for _, g := range goalsOf(new(Report)) {
		if g.Value != nil || g.Reached {
			t.Errorf("%+v", g)
		}
	}
}

func TestAPageKeepsWhatStandsAroundTheFigures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# Before\n" + figuresBegin + "\nold\n" + figuresEnd + "\n# After\n")
	r := measured("a", clients(64), figureCPU, []float64{5.5}, []float64{5})
	r.Goals = goalsOf(r)
	for range 2 { // the second time as the first
		page, err := OpenPage(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := page.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "# Before\n"+figuresBegin+"\n") || !strings.HasSuffix(text, "\n"+figuresEnd+"\n# After\n") ||
		strings.Contains(text, "old") || strings.Count(text, "| at most 1.15 × stock | 1.10 × | reached |") != 1 {
		t.Errorf("got\n%s", text)
	}
	write("# A page for something else\n")
	if _, err := OpenPage(file); err == nil {
		t.Error("a page without a place for figures is taken")
	}
}
