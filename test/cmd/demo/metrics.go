package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// ending is how a row of the table ends, as the metrics count it.
type ending struct {
	issued bool
	code   string // Intune's, "none" where it gives none
}

func endingOf(o outcome) ending {
	if code := intune.Code(o.code); code.Known() {
		return ending{issued: o.issued, code: o.code}
	}
	return ending{issued: o.issued, code: "none"}
}

// addUp compares the CA's metrics with the table, and with what Intune has seen. Intune
// sees a call a moment before it is counted.
func (d *demo) addUp(ctx context.Context, w io.Writer, table map[ending]int) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for patience := time.After(5 * time.Second); ; {
		err := d.compare(ctx, w, table)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-patience:
			return err
		}
	}
}

func (d *demo) compare(ctx context.Context, w io.Writer, table map[ending]int) error {
	metrics, err := harness.Scrape(ctx, d.status)
	if err != nil {
		return err
	}
	counted, enrolments := map[ending]int{}, 0
	for _, s := range metrics {
		if s.Name == "step_ca_intune_enrolments_total" && s.Value > 0 {
			counted[ending{issued: s.Labels["outcome"] == "issued", code: s.Labels["code"]}] += int(s.Value)
			enrolments += int(s.Value)
		}
	}
	if !maps.Equal(counted, table) {
		return fmt.Errorf("the metrics count %v, the table %v", counted, table)
	}
	stats, err := d.sim.Stats()
	if err != nil {
		return err
	}
	calls := 0
	for _, operation := range slices.Sorted(maps.Keys(stats.Calls)) {
		if !countedByCA(operation) {
			continue
		}
		sent := int(metrics.Sum("step_ca_intune_microsoft_calls_total", "operation="+string(operation)))
		if seen := int(stats.Calls[operation]); sent != seen {
			return fmt.Errorf("the metrics count %d calls %s, Intune %d", sent, operation, seen)
		}
		calls += sent
	}
	fmt.Fprintf(w, "metrics: %d enrolments and %d calls to Microsoft, as in the table and at Intune\n", enrolments, calls)
	return nil
}

// countedByCA leaves out what the library for tokens asks on its own.
func countedByCA(operation intunesim.Operation) bool {
	switch operation {
	case intunesim.OpToken, intunesim.OpDiscovery, intunesim.OpValidate, intunesim.OpSuccess, intunesim.OpFailure:
		return true
	}
	return false
}
