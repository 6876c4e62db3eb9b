package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Markdown writes the report as the part of a page: machine, goals, all figures.
func (r *Report) Markdown(w io.Writer) error {
	var p page
	m := r.Machine
	p.line("Run of %s with step-ca %s, %s; it took %s and the order of its bursts was that of seed %d.",
		r.Begun.UTC().Format("2 January 2006"), m.StepCA, m.Go, time.Duration(r.Seconds*float64(time.Second)).Round(time.Second), r.Seed)
	p.line("The machine: %d processors (%s), %d MiB, %s; database %s. One RSA-2048 signature takes %s ms there, a synced write of 4 kB %s ms.",
		m.Processors, m.Processor, m.MemoryMiB, m.System, m.Database, withQuartiles(r.Signature), withQuartiles(r.Sync))
	if r.Quick {
		p.line("")
		p.line("It was a quick run: too short for figures to rely on.")
	}
	p.line("")
	p.line("| scenario | figure | goal | measured | |")
	p.line("|---|---|---|---|---|")
	for _, g := range r.Goals {
		value, reached := "", "not measured"
		if g.Value != nil {
			value = strings.TrimSpace(withQuartiles(*g.Value) + " " + g.Unit)
			if reached = "**not reached**"; g.Reached {
				reached = "reached"
			}
		}
		p.line("| (%s) | %s | %s | %s | %s |", g.Scenario, g.Figure, g.Limit, value, reached)
	}
	for _, one := range r.Measurements {
		p.measurement(one)
	}
	_, err := io.WriteString(w, p.text.String())
	return err
}

type page struct{ text strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

func (p *page) measurement(m *Measurement) {
	p.line("")
	p.line("(%s) %s:", m.Scenario, m.Situation)
	p.line("")
	head, rule := "| |", "|---|"
	for i, side := range m.Sides {
		head, rule = head+" "+side+" |", rule+"---|"
		if i > 0 {
			head, rule = head+" ratio |", rule+"---|"
		}
	}
	p.line("%s", head)
	p.line("%s", rule)
	for _, f := range m.shown() {
		row := "| " + strings.TrimSpace(f.Name+unit(f.Unit)) + " |"
		for i, side := range f.Sides {
			row += cell(side, len(f.Values[i]))
			if i > 0 {
				row += cell(f.Ratios[i-1], min(len(f.Values[0]), len(f.Values[i])))
			}
		}
		p.line("%s", row)
	}
}

func unit(u string) string {
	if u == "" {
		return ""
	}
	return ", " + u
}

// cell is a value with its quartiles; one that was measured once has none.
func cell(s Spread, n int) string {
	switch n {
	case 0:
		return " |"
	case 1:
		return " " + number(s.Median) + " |"
	}
	return " " + withQuartiles(s) + " |"
}

func withQuartiles(s Spread) string {
	if number(s.Q1) == number(s.Median) && number(s.Q3) == number(s.Median) {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", number(s.Median), number(s.Q1), number(s.Q3))
}

// number has three digits that count, and none behind the point from 100 on.
func number(v float64) string {
	switch abs := max(v, -v); {
	case abs == 0:
		return "0"
	case abs < 1:
		return fmt.Sprintf("%.3f", v)
	case abs < 10:
		return fmt.Sprintf("%.2f", v)
	case abs < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
