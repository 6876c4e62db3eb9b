package status_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

func page(t *testing.T, b *status.Board) status.Page {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:9190/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := from(b, "127.0.0.1:50000", r)
	var p status.Page
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return p
}

func TestThePageCountsTheLastHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := status.NewBoard("1.2.3")
		issued := func() int {
			for _, c := range page(t, b).LastHour {
				if c.Outcome == status.Issued && c.Code == "Success" {
					return c.Count
				}
			}
			return 0
		}
		for range 90 { // one a minute
			b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Issued})
			time.Sleep(time.Minute)
		}
		if n := issued(); n != 59 {
			t.Errorf("%d in the 59 minutes that are over", n)
		}
		time.Sleep(58 * time.Minute)
		if n := issued(); n != 1 {
			t.Errorf("%d are left an hour later", n)
		}
		time.Sleep(24 * time.Hour)
		if n := issued(); n != 0 {
			t.Errorf("%d are left a day later", n)
		}
	})
}

func TestThePageHasTheLastTenRefusalsTheNewestFirst(t *testing.T) {
	b := status.NewBoard("1.2.3")
	for i := range 15 {
		b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Refused, Code: intune.CodeChallengeExpired, Subject: fmt.Sprintf("CN=device-%d", i)})
		b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Issued, Subject: "CN=happy"})
	}
	b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Failed, Subject: "CN=failed"})
	b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Unreported, Subject: "CN=unreported"})
	p := page(t, b)
	if len(p.Refusals) != 10 || p.Refusals[0].Subject != "CN=device-14" || p.Refusals[9].Subject != "CN=device-5" {
		t.Errorf("got %+v", p.Refusals)
	}
	if p.Refusals[0].Explanation != intune.CodeChallengeExpired.Explanation() || p.Refusals[0].Time.IsZero() {
		t.Errorf("got %+v", p.Refusals[0])
	}
	if len(p.Failures) != 2 || p.Failures[0].Subject != "CN=unreported" || p.Failures[1].Subject != "CN=failed" {
		t.Errorf("got %+v", p.Failures)
	}
}

func TestAFaultOfMicrosoftsStandsUntilTheOperationSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := status.NewBoard("1.2.3")
		b.Show(new(fakeCA))
		no := &intune.ServiceError{Kind: intune.ErrUnavailable, Operation: "validateRequest", TransactionID: "tx-1", Advice: "Wait."}
		call := func(operation string, err error) {
			b.Called("intune", intune.Attempt{Operation: operation, Number: 1, Err: err})
			time.Sleep(time.Minute)
		}
		begin := time.Now()
		call("validateRequest", no)
		call("validateRequest", no)
		call("token", nil) // says nothing about the other
		tenant := page(t, b).Provisioners[0]
		if len(tenant.Faults) != 1 {
			t.Fatalf("got %+v", tenant)
		}
		f := tenant.Faults[0]
		if f.Result != "unavailable" || !f.Since.Equal(begin) || !f.Last.Equal(begin.Add(time.Minute)) || f.Advice != "Wait." || !strings.Contains(f.Error, "tx-1") {
			t.Errorf("got %+v", f)
		}
		if !tenant.Answered.Equal(begin.Add(2 * time.Minute)) {
			t.Errorf("answered at %s", tenant.Answered)
		}
		// A refusal is an answer.
		call("validateRequest", &intune.ServiceError{Kind: intune.ErrRefused, Code: intune.CodeChallengeExpired})
		if faults := page(t, b).Provisioners[0].Faults; len(faults) != 0 {
			t.Errorf("got %+v", faults)
		}
	})
}

// An outage at Microsoft takes no replica out of the load balancer, and what others may
// read of it names no transaction.
func TestAnOutageOfMicrosoftsLeavesTheCAReady(t *testing.T) {
	b := status.NewBoard("1.2.3")
	b.Show(new(fakeCA))
	b.Called("intune", intune.Attempt{Operation: "token", Number: 1, Err: &intune.ServiceError{Kind: intune.ErrUnauthorized, Operation: "token", TransactionID: "tx-1"}})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ca.example/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := from(b, "192.0.2.1:50000", r)
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, `"unauthorized"`) || strings.Contains(body, "tx-1") {
		t.Errorf("%d %s", w.Code, body)
	}
}
