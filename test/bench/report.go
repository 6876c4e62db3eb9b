package bench

import (
	"slices"
	"time"
)

// Report is everything that a run has measured.
type Report struct {
	Begun        time.Time      `json:"begun"`
	Seconds      float64        `json:"seconds"`
	Quick        bool           `json:"quick"`
	Seed         uint64         `json:"seed"`
	Machine      Machine        `json:"machine"`
	Signature    Spread         `json:"signature"` // ms of one RSA-2048 signature, beside each pair
	Sync         Spread         `json:"sync"`      // ms to write 4 kB and sync it, beside each pair
	Measurements []*Measurement `json:"measurements"`
	Goals        []Goal         `json:"goals"`
}

// Measurement is one situation of a scenario, as each side has met it.
type Measurement struct {
	Scenario  string    `json:"scenario"` // its letter
	Situation string    `json:"situation"`
	Sides     []string  `json:"sides"`
	Figures   []*Figure `json:"figures"`
}

// Figure is one thing that was measured, once in each burst.
type Figure struct {
	Name   string      `json:"name"`
	Unit   string      `json:"unit"`
	Values [][]float64 `json:"values"` // by side, one for each burst
	Sides  []Spread    `json:"sides"`
	// Ratios are those of the first side to each other one, burst by burst.
	Ratios []Spread `json:"ratios"`
}

// sample is what one burst of one side has come to, by the name of the figure.
type sample map[string]float64

// The names of figures that goals and several scenarios refer to.
const (
	figureRate       = "rate"
	figureP50        = "latency p50"
	figureP90        = "latency p90"
	figureP99        = "latency p99"
	figureIntune     = "of it at Intune, mean"
	figureCPU        = "CPU per enrolment"
	figureMemory     = "peak memory"
	figureFiles      = "open files"
	figureGoroutines = "goroutines"
	figureCalls      = "validations and notifications per 1,000"
	figureOther      = "other calls to Microsoft per 1,000"
	figureHandshakes = "TLS handshakes per 1,000"
	figureUntilKnown = "until Intune knows all"
	figureAllDone    = "until the last has its certificate"
	figureAttempts   = "attempts per device"
	figureCut        = "answers cut off"
	figureLost       = "devices without a certificate after five minutes"
	figurePerWaiting = "memory per waiting request"
	figureHeap       = "live heap per waiting request"
	figureStart      = "start until ready"
)

// figures has all names in the order of the tables, with their units.
var figures = []struct{ name, unit string }{
	{figureStart, "ms"},
	{figureRate, "/s"},
	{figureP50, "ms"},
	{figureP90, "ms"},
	{figureP99, "ms"},
	{figureIntune, "ms"},
	{figureCPU, "ms"},
	{figureAllDone, "s"},
	{figureAttempts, ""},
	{figureCut, ""},
	{figureLost, ""},
	{figureUntilKnown, "ms"},
	{figurePerWaiting, "kB"},
	{figureHeap, "kB"},
	{figureMemory, "MiB"},
	{figureFiles, ""},
	{figureGoroutines, ""},
	{figureCalls, ""},
	{figureOther, ""},
	{figureHandshakes, ""},
}

// add notes a burst of one side.
func (m *Measurement) add(side int, s sample) {
	for _, known := range figures {
		if v, ok := s[known.name]; ok {
			f := m.figure(known.name)
			if f == nil {
				f = &Figure{Name: known.name, Unit: known.unit, Values: make([][]float64, len(m.Sides))}
				m.Figures = append(m.Figures, f)
			}
			f.Values[side] = append(f.Values[side], v)
		}
	}
}

// figure returns a figure by its name, nil for none.
func (m *Measurement) figure(name string) *Figure {
	for _, f := range m.Figures {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// summarise computes the spreads.
func (m *Measurement) summarise() {
	for _, f := range m.Figures {
		f.Sides, f.Ratios = nil, nil
		for i, values := range f.Values {
			f.Sides = append(f.Sides, spreadOf(values))
			if i > 0 {
				f.Ratios = append(f.Ratios, spreadOf(pairwise(f.Values[0], values, ratio)))
			}
		}
	}
}

// shown returns the figures that belong into a table: that no answer was cut off needs no
// row.
func (m *Measurement) shown() []*Figure {
	return slices.DeleteFunc(slices.Clone(m.Figures), func(f *Figure) bool {
		return (f.Name == figureCut || f.Name == figureLost) && sum(slices.Concat(f.Values...)) == 0
	})
}

// find returns a measurement, nil for none.
func (r *Report) find(scenario, situation string) *Measurement {
	for _, m := range r.Measurements {
		if m.Scenario == scenario && m.Situation == situation {
			return m
		}
	}
	return nil
}
