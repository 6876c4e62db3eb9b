package monitoring

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// busyCA is a CA of which everything is known.
type busyCA struct{}

func (busyCA) Ready(context.Context) error { return nil }
func (busyCA) Enrolling() int              { return 1 }
func (busyCA) Reports() status.Reports     { return nil }
func (busyCA) Outbox() report.Snapshot {
	return report.Snapshot{At: time.Now(), Pending: 1, Dead: 1, Oldest: time.Now()}
}
func (busyCA) Provisioners() []status.Provisioner {
	now := time.Now()
	return []status.Provisioner{{Name: "intune", Tenant: "contoso.onmicrosoft.com", Taken: 1, MaxConcurrent: 256, GraphToken: now, IntuneToken: now}}
}

// serve shows a CA on which everything has happened once.
func serve(t *testing.T) (address string) {
	t.Helper()
	b := status.NewBoard("1.2.3")
	b.Show(busyCA{})
	b.Enrolled(status.Enrolment{
		Provisioner: "intune", Outcome: status.Issued,
		Validation: time.Second, Signing: time.Second, Notification: time.Second, Whole: 3 * time.Second,
	})
	b.Called("intune", intune.Attempt{Operation: "validateRequest", Number: 2})
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(address, false, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return address
}

// metrics returns each metric that exists, by name, with its labels.
func metrics(t *testing.T) map[string]map[string]bool {
	t.Helper()
	samples, err := harness.Scrape(t.Context(), serve(t))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{}
	for _, s := range samples {
		labels := map[string]bool{"job": true, "instance": true} // Prometheus' own
		for l := range s.Labels {
			labels[l] = true
		}
		all[s.Name] = labels
	}
	return all
}
