package bench

import (
	"slices"
)

// Goal is what the project wants to reach, and whether a run has.
type Goal struct {
	Scenario string  `json:"scenario"`
	Figure   string  `json:"figure"`
	Limit    string  `json:"limit"`
	Value    *Spread `json:"value"` // nil: not measured
	Unit     string  `json:"unit"`
	Reached  bool    `json:"reached"`
}

// goal is one line of the table of goals; measure returns nil where there is nothing to
// compare.
type goal struct {
	scenario, figure, limit, unit string
	measure                       func(*Report) *Spread
	reached                       func(float64) bool
}

func atMost(limit float64) func(float64) bool  { return func(v float64) bool { return v <= limit } }
func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }

var goals = []goal{
	{"a", "CPU per enrolment, Intune at 0 ms, 64 clients", "at most 1.15 × stock", "×", ratioOf("a", clients(64), figureCPU), atMost(1.15)},
	{"a", "rate with 64 clients at 0 ms, the load generator making the same two calls beside stock", "at least 0.9 × stock", "×", ratioOf("a", clients(64), figureRate), atLeast(0.9)},
	{"b", "median latency, 8 clients, Intune at 100 ms, beyond 2 × 100 ms and stock's median with one client", "at most 2 ms", "ms", beyondIntune, atMost(2)},
	{"b", "rate with 256 clients, Intune at 100 ms, to stock's alone with 64", "at least 0.9 × stock", "×", lastRatioOf("b", clients(256), figureRate), atLeast(0.9)},
	{"a", "validations and notifications per 1,000 enrolments", "2,000", "", perThousand(figureCalls), func(v float64) bool { return v == 2000 }},
	{"a", "tokens and look-ups per 1,000 enrolments", "none", "", perThousand(figureOther), atMost(0)},
	{"a", "TLS handshakes per 1,000 enrolments", "at most 8", "", perThousand(figureHandshakes), atMost(8)},
	{"d", "memory per waiting request, over idle", "at most 32 kB", "kB", worst("d", "Intune takes 8 s", figurePerWaiting), atMost(32)},
	{"e", "time per enrolment, last to first thousand, ours to stock's", "at most 1.1", "×", grown(figureRate, true), atMost(1.1)},
	{"e", "CPU per enrolment, last to first thousand, ours to stock's", "at most 1.1", "×", grown(figureCPU, false), atMost(1.1)},
	{"f", "start until ready", "at most 1.2 × stock", "×", ratioOf("f", "a start", figureStart), atMost(1.2)},
	{"h", "p99 of honest devices under garbage", "at most 3 × without", "×", ratioOf("h", "8 honest clients", figureP99), atMost(3)},
}

func goalsOf(r *Report) []Goal {
	var all []Goal
	for _, g := range goals {
		one := Goal{Scenario: g.scenario, Figure: g.figure, Limit: g.limit, Unit: g.unit, Value: g.measure(r)}
		one.Reached = one.Value != nil && g.reached(one.Value.Median)
		all = append(all, one)
	}
	return all
}

// figureOf returns a figure of a measurement, nil where it is not there.
func (r *Report) figureOf(scenario, situation, name string) *Figure {
	if m := r.find(scenario, situation); m != nil {
		return m.figure(name)
	}
	return nil
}

// ratioOf is the first side to the second one.
func ratioOf(scenario, situation, name string) func(*Report) *Spread {
	return func(r *Report) *Spread {
		f := r.figureOf(scenario, situation, name)
		if f == nil || len(f.Ratios) == 0 {
			return nil
		}
		return &f.Ratios[0]
	}
}

// lastRatioOf is the first side to the last one.
func lastRatioOf(scenario, situation, name string) func(*Report) *Spread {
	return func(r *Report) *Spread {
		f := r.figureOf(scenario, situation, name)
		if f == nil || len(f.Ratios) == 0 {
			return nil
		}
		return &f.Ratios[len(f.Ratios)-1]
	}
}

// beyondIntune is what a device waits for beside Intune's two answers and what an
// enrolment takes at the stock step-ca when nobody else asks.
func beyondIntune(r *Report) *Spread {
	f := r.figureOf("b", clients(8), figureP50)
	if f == nil {
		return nil
	}
	rest := pairwise(f.Values[0], f.Values[1], func(us, them float64) float64 { return us - them - 2*milliseconds(answerTime) })
	return new(spreadOf(rest))
}

// perThousand is a figure over all bursts of scenario (a) with 64 clients.
func perThousand(name string) func(*Report) *Spread {
	return func(r *Report) *Spread {
		f := r.figureOf("a", clients(64), name)
		if f == nil {
			return nil
		}
		s := spreadOf(f.Values[0])
		s.Median = sum(f.Values[0]) / float64(len(f.Values[0]))
		return &s
	}
}

// worst is the highest value of the first side.
func worst(scenario, situation, name string) func(*Report) *Spread {
	return func(r *Report) *Spread {
		f := r.figureOf(scenario, situation, name)
		if f == nil {
			return nil
		}
		most := slices.Max(f.Values[0])
		return &Spread{Q1: most, Median: most, Q3: most}
	}
}

// grown compares how a figure changed from the first to the last thousand enrolments with
// how it did at the stock step-ca; inverse is for rates, where less is worse. The bursts of
// the two are far apart: there are no pairs, and so no quartiles.
func grown(name string, inverse bool) func(*Report) *Spread {
	return func(r *Report) *Spread {
		before, after := r.figureOf("e", first, name), r.figureOf("e", last, name)
		if before == nil || after == nil {
			return nil
		}
		ratios := make([]float64, 2)
		for side := range ratios {
			ratios[side] = ratio(after.Sides[side].Median, before.Sides[side].Median)
			if inverse {
				ratios[side] = ratio(1, ratios[side])
			}
		}
		v := ratio(ratios[0], ratios[1])
		return &Spread{Q1: v, Median: v, Q3: v}
	}
}
