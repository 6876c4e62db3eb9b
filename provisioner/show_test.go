package provisioner

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
	"github.com/step-ca-intune/step-ca-intune/test/device"
)

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestEveryOutcomeIsShown(t *testing.T) {
	address, client := freeAddress(t), newFakeClient()
	var answer error
	client.validate = func(context.Context, string) error { return answer }
	r := startPlugin(t, writeCA(t, both(withDatabase(t), set(object{"statusAddress": address}, "intune")), intuneEntry(t, "intune")), client)
	t.Cleanup(r.instance.board.Close)
	c := connect(t, r.server, "intune")
	for subject, err := range map[string]error{
		"CN=issued": nil, "CN=expired": refusedWith(intune.CodeChallengeExpired), "CN=strange": refusedWith("NewCode"),
		"CN=unreachable": &intune.ServiceError{Kind: intune.ErrUnavailable, Operation: "validateRequest"},
	} {
		answer = err
		enrol(t, c, device.CSR{Subject: subject, Challenge: "t0p-s3cret"})
	}
	client.success = func(context.Context, intune.Issued) error { return errors.New("no") }
	answer = nil
	enrol(t, c, device.CSR{Subject: "CN=unreported", Challenge: "t0p-s3cret"})
	r.instance.entries["intune"].observe(t.Context(), intune.Attempt{Operation: "token", Number: 1})
	r.wantNothingLeft(t)

	_, metrics := get(t, "http://"+address+"/metrics")
	for _, line := range []string{
		`step_ca_intune_enrolments_total{code="Success",outcome="issued",provisioner="intune"} 1`,
		`step_ca_intune_enrolments_total{code="ChallengeExpired",outcome="refused",provisioner="intune"} 1`,
		`step_ca_intune_enrolments_total{code="other",outcome="refused",provisioner="intune"} 1`,
		`step_ca_intune_enrolments_total{code="none",outcome="failed",provisioner="intune"} 1`,
		`step_ca_intune_enrolments_total{code="none",outcome="unreported",provisioner="intune"} 1`,
		`step_ca_intune_enrolment_step_duration_seconds_count{provisioner="intune",step="signing"} 2`,
		`step_ca_intune_microsoft_calls_total{operation="token",provisioner="intune",result="success"} 1`,
		`step_ca_intune_enrolments_in_flight 0`,
		`step_ca_intune_enrolment_places{provisioner="intune"} 256`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
	_, body := get(t, "http://"+address+"/status")
	var page status.Page
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Refusals) != 2 || len(page.Failures) != 2 || page.Failures[0].Subject != "CN=unreported" {
		t.Errorf("got %s", body)
	}
	for name, text := range map[string]string{"/metrics": metrics, "/status": body} {
		if strings.Contains(text, "t0p-s3cret") {
			t.Errorf("%s holds the challenge", name)
		}
	}
	// The CA has been stopped above: load balancers have to know.
	if code, body := get(t, "http://"+address+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, errStopping.Error()) {
		t.Errorf("/readyz answers %d %s", code, body)
	}
}

// A challenge that an error repeats is not shown.
func TestAnErrorIsShownWithoutTheChallenge(t *testing.T) {
	address, client := freeAddress(t), newFakeClient()
	client.validate = func(context.Context, string) error { return errors.New("it said t0p-s3cret") }
	r := startPlugin(t, writeCA(t, set(object{"statusAddress": address}, "intune"), intuneEntry(t, "intune")), client)
	t.Cleanup(r.instance.board.Close)
	enrol(t, connect(t, r.server, "intune"), device.CSR{Subject: "CN=device", Challenge: "t0p-s3cret"})
	_, body := get(t, "http://"+address+"/status")
	if strings.Contains(body, "t0p-s3cret") || !strings.Contains(body, "it said ***") {
		t.Errorf("got %s", body)
	}
}

func TestACAIsReadyWhileItsDatabaseAnswers(t *testing.T) {
	r := startPlugin(t, writeCA(t, withDatabase(t), intuneEntry(t, "intune")), newFakeClient())
	if err := r.instance.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	database := wrapDatabase(r.authority.GetDatabase()).DB
	if err := database.Close(); err != nil { // behind the plugin's back
		t.Fatal(err)
	}
	if err := r.instance.Ready(t.Context()); !errors.Is(err, errNoDatabase) {
		t.Errorf("without a database: %v", err)
	}
	if lines := r.log.lines("the CA is not ready"); len(lines) != 1 {
		t.Errorf("the log has %q", lines)
	}
}

func TestADeadReportIsTriedAgainOrDroppedAsAnOperatorWishes(t *testing.T) {
	address, client := freeAddress(t), newFakeClient()
	var refuses atomic.Bool
	refuses.Store(true)
	client.failure = func(context.Context) error {
		if refuses.Load() {
			return refusedWith(intune.CodeUnknown)
		}
		return nil
	}
	r := startPlugin(t, writeCA(t, both(withDatabase(t), set(object{"statusAddress": address}, "intune")), intuneEntry(t, "intune")), client)
	t.Cleanup(r.instance.board.Close)
	for _, transaction := range []string{"tx-1", "tx-2"} {
		request := report.Request{Provisioner: "intune", TransactionID: transaction, CSR: []byte(transaction)}
		claim, _, err := r.instance.state.store.Begin(t.Context(), request, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := claim.Abort(t.Context(), new(report.Failure)); err != nil {
			t.Fatal(err)
		}
		<-client.failed
	}
	c := status.NewClient(address)
	dead := func() (ids []string) {
		all, err := c.Reports(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Dead {
				ids = append(ids, one.ID)
			}
		}
		return ids
	}
	eventually(t, func() bool { return len(dead()) == 2 })
	ids := dead()
	refuses.Store(false)
	if err := c.Retry(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if f := <-client.failed; f.transactionID != "tx-1" {
		t.Errorf("tried again: %+v", f)
	}
	if err := c.Drop(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { all, err := c.Reports(t.Context()); return err == nil && len(all) == 0 })
	for _, text := range []string{"report is tried again", "report dropped by an operator"} {
		if len(r.log.lines(text)) != 1 {
			t.Errorf("%q is not logged", text)
		}
	}
}

// eventually waits for what happens in goroutines that nobody can wait for.
func eventually(t testing.TB, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not come")
		}
	}
}
