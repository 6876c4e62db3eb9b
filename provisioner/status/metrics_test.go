package status_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// scrape returns what the board's metrics are, without the comments.
func scrape(t *testing.T, b *status.Board) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ca.example/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := from(b, "192.0.2.1:50000", r)
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics answers %d", w.Code)
	}
	var lines strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%q is missing in\n%s", line, ours(text))
		}
	}
}

// ours are the lines that are not Go's or the process's.
func ours(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "step_ca_intune_") && !strings.Contains(line, "_bucket{") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func TestEnrolmentsAreCountedByOutcomeAndCode(t *testing.T) {
	b := status.NewBoard("1.2.3")
	for _, e := range []status.Enrolment{
		{Outcome: status.Issued, Validation: 40 * time.Millisecond, Signing: time.Millisecond, Notification: time.Second, Whole: 2 * time.Second},
		{Outcome: status.Issued},
		{Outcome: status.Refused, Code: intune.CodeChallengeExpired, Validation: 20 * time.Millisecond},
		{Outcome: status.Refused},
		{Outcome: status.Failed},
		{Outcome: status.Unreported, Code: intune.CodeUnknown},
	} {
		e.Provisioner = "intune"
		b.Enrolled(e)
	}
	wantLines(t, scrape(t, b),
		`step_ca_intune_build_info{version="1.2.3"} 1`,
		`step_ca_intune_enrolments_total{code="Success",outcome="issued",provisioner="intune"} 2`,
		`step_ca_intune_enrolments_total{code="ChallengeExpired",outcome="refused",provisioner="intune"} 1`,
		`step_ca_intune_enrolments_total{code="none",outcome="refused",provisioner="intune"} 1`,
		`step_ca_intune_enrolments_total{code="none",outcome="failed",provisioner="intune"} 1`,
		`step_ca_intune_enrolments_total{code="Unknown",outcome="unreported",provisioner="intune"} 1`,
		`step_ca_intune_enrolment_duration_seconds_count{outcome="issued",provisioner="intune"} 2`,
		`step_ca_intune_enrolment_step_duration_seconds_count{provisioner="intune",step="validation"} 2`,
		`step_ca_intune_enrolment_step_duration_seconds_count{provisioner="intune",step="signing"} 1`,
		`step_ca_intune_enrolment_step_duration_seconds_sum{provisioner="intune",step="notification"} 1`,
	)
}

// A service, or a device through it, must not be able to fill Prometheus.
func TestNoLabelTakesWhatComesFromOutside(t *testing.T) {
	b := status.NewBoard("1.2.3")
	for i := range 1000 {
		text := fmt.Sprintf("outside-%d", i)
		err := &intune.ServiceError{Kind: intune.ErrRefused, Operation: "validateRequest", Code: intune.Code(text), Description: text, TransactionID: text}
		b.Called("intune", intune.Attempt{Operation: "validateRequest", Number: i, Code: err.Code, ActivityID: text, TransactionID: text, Err: err})
		b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Refused, Code: err.Code, Transaction: text, Subject: text, Request: text, Error: text, Advice: text})
	}
	text := scrape(t, b)
	if strings.Contains(text, "outside") {
		t.Errorf("it is in\n%s", ours(text))
	}
	wantLines(t, text, `step_ca_intune_enrolments_total{code="other",outcome="refused",provisioner="intune"} 1000`)
}

func TestCallsToMicrosoftAreCountedByResult(t *testing.T) {
	b := status.NewBoard("1.2.3")
	fault := func(kind error) error { return &intune.ServiceError{Kind: kind, Operation: "validateRequest"} }
	for i, err := range []error{
		nil, fault(intune.ErrUnavailable), fault(intune.ErrThrottled), fault(intune.ErrUnauthorized),
		fault(intune.ErrServiceNotFound), fault(intune.ErrRefused), errors.New("anything"), nil,
	} {
		b.Called("intune", intune.Attempt{Operation: "validateRequest", Number: 1 + i%2, Duration: 100 * time.Millisecond, Err: err})
	}
	b.Called("intune", intune.Attempt{Operation: "token", Number: 1})
	call := func(result string, n int) string {
		return fmt.Sprintf(`step_ca_intune_microsoft_calls_total{operation="validateRequest",provisioner="intune",result=%q} %d`, result, n)
	}
	wantLines(t, scrape(t, b),
		call("success", 2), call("unavailable", 1), call("throttled", 1), call("unauthorized", 1),
		call("service_not_found", 1), call("refused", 1), call("error", 1),
		`step_ca_intune_microsoft_calls_total{operation="token",provisioner="intune",result="success"} 1`,
		`step_ca_intune_microsoft_retries_total{operation="validateRequest",provisioner="intune"} 4`,
		`step_ca_intune_microsoft_call_duration_seconds_count{operation="validateRequest",provisioner="intune"} 8`,
	)
}

func TestGaugesTellHowTheCAIs(t *testing.T) {
	b := status.NewBoard("1.2.3")
	if text := scrape(t, b); strings.Contains(text, "in_flight{") || strings.Contains(text, "reports_") {
		t.Errorf("before the CA is there:\n%s", ours(text))
	}
	ca := new(fakeCA)
	b.Show(ca)
	text := scrape(t, b)
	wantLines(t, text,
		`step_ca_intune_enrolments_total{code="none",outcome="failed",provisioner="intune"} 0`,
		`step_ca_intune_microsoft_calls_total{operation="token",provisioner="intune",result="unauthorized"} 0`,
		`step_ca_intune_enrolments_in_flight 5`,
		`step_ca_intune_enrolment_places_taken{provisioner="intune"} 3`,
		`step_ca_intune_enrolment_places{provisioner="intune"} 256`,
	)
	if strings.Contains(text, "token_expiry") || strings.Contains(text, "reports_") {
		t.Errorf("what is not known yet is told:\n%s", ours(text))
	}
	ca.tokens = time.Unix(1_800_000_000, 0)
	ca.outbox = report.Snapshot{At: time.Now(), Pending: 7, Dead: 2}
	wantLines(t, scrape(t, b),
		`step_ca_intune_token_expiry_timestamp_seconds{provisioner="intune",resource="graph"} 1.8e+09`,
		`step_ca_intune_token_expiry_timestamp_seconds{provisioner="intune",resource="intune"} 1.8e+09`,
		`step_ca_intune_reports_pending 7`,
		`step_ca_intune_reports_dead 2`,
		`step_ca_intune_reports_oldest_pending_age_seconds 0`,
	)
	ca.outbox.Oldest = time.Now().Add(-time.Hour)
	if text := scrape(t, b); !strings.Contains(text, "step_ca_intune_reports_oldest_pending_age_seconds 3600.") {
		t.Errorf("the age is not an hour:\n%s", ours(text))
	}
}
