package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table writes the report for people at a terminal.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range r.Measurements {
		fmt.Fprintf(t, "\n(%s) %s\n", m.Scenario, m.Situation)
		heads := []string{""}
		for i, side := range m.Sides {
			heads = append(heads, side)
			if i > 0 {
				heads = append(heads, "ratio")
			}
		}
		fmt.Fprintln(t, strings.Join(heads, "\t"))
		for _, f := range m.shown() {
			cells := []string{f.Name + unit(f.Unit)}
			for i, side := range f.Sides {
				cells = append(cells, plain(cell(side, len(f.Values[i]))))
				if i > 0 {
					cells = append(cells, plain(cell(f.Ratios[i-1], min(len(f.Values[0]), len(f.Values[i])))))
				}
			}
			fmt.Fprintln(t, strings.Join(cells, "\t"))
		}
	}
	fmt.Fprintf(t, "\none RSA-2048 signature\t%s ms\none synced write of 4 kB\t%s ms\n", withQuartiles(r.Signature), withQuartiles(r.Sync))
	fmt.Fprintln(t, "\ngoal\tlimit\tmeasured\t")
	for _, g := range r.Goals {
		value, reached := "", "not measured"
		if g.Value != nil {
			value = strings.TrimSpace(withQuartiles(*g.Value) + " " + g.Unit)
			if reached = "NOT REACHED"; g.Reached {
				reached = "reached"
			}
		}
		fmt.Fprintf(t, "(%s) %s\t%s\t%s\t%s\n", g.Scenario, g.Figure, g.Limit, value, reached)
	}
	return t.Flush()
}

func plain(cell string) string { return strings.TrimSpace(strings.TrimSuffix(cell, "|")) }
