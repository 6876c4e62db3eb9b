package status_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

func TestTheClientListsShowsRetriesAndDrops(t *testing.T) {
	ca, b := newFakeCA(), status.NewBoard("1.2.3")
	b.Show(ca)
	c := status.NewClient(listen(t, b))
	all, err := c.Reports(t.Context())
	if err != nil || len(all) != 1 || all[0] != shown.Summary {
		t.Errorf("got %+v, %v", all, err)
	}
	if one, err := c.Report(t.Context(), "1"); err != nil || *one != shown {
		t.Errorf("got %+v, %v", one, err)
	}
	if err := errors.Join(c.Retry(t.Context(), "1"), c.Drop(t.Context(), "a/../b")); err != nil {
		t.Error(err)
	}
	if !slices.Equal(ca.reports.done, []string{"retry 1", "drop a/../b"}) {
		t.Errorf("done: %q", ca.reports.done)
	}
	if p, err := c.Page(t.Context()); err != nil || p.Version != "1.2.3" || !p.Ready || p.Enrolling != 5 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestTheClientTellsWhyAReportStays(t *testing.T) {
	ca, b := newFakeCA(), status.NewBoard("1.2.3")
	b.Show(ca)
	address := listen(t, b)
	c := status.NewClient(address)
	for cause, code := range map[error]int{
		report.ErrNotFound: http.StatusNotFound, report.ErrSending: http.StatusConflict, errDatabase: http.StatusServiceUnavailable,
	} {
		ca.reports.err = fmt.Errorf("dropping report %q: %w", "1", cause)
		if err := c.Drop(t.Context(), "1"); err == nil || err.Error() != ca.reports.err.Error() {
			t.Errorf("got %v, want %v", err, ca.reports.err)
		}
		if got, _ := do(t, http.MethodPost, "http://"+address+"/reports/1/drop", "{}", header("Content-Type", "application/json")); got != code {
			t.Errorf("%v is HTTP %d, want %d", cause, got, code)
		}
	}
	b.Show(new(fakeCA))
	if _, err := c.Reports(t.Context()); err == nil || !strings.Contains(err.Error(), "no Intune provisioner") {
		t.Errorf("without an outbox: %v", err)
	}
}

// A listener at all addresses answers for reports over loopback only.
func TestTheClientAsksOverLoopback(t *testing.T) {
	b := status.NewBoard("1.2.3")
	b.Show(newFakeCA())
	_, port, _ := net.SplitHostPort(freeAddress(t))
	for _, host := range []string{"0.0.0.0", "", "[::ffff:0.0.0.0]"} {
		if err := b.Listen(host+":"+port, true, discard); err != nil {
			t.Fatal(err)
		}
		if _, err := status.NewClient(host + ":" + port).Reports(t.Context()); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	b.Close()
}

func TestTheClientKnowsWhenNobodyOrSomebodyElseListens(t *testing.T) {
	if _, err := status.NewClient(freeAddress(t)).Page(t.Context()); !errors.Is(err, status.ErrNoListener) {
		t.Errorf("nobody: %v", err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"a page":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"nothing": http.NotFound,
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://attacker.example/", http.StatusFound)
		},
	} {
		other := httptest.NewServer(h)
		_, err := status.NewClient(strings.TrimPrefix(other.URL, "http://")).Page(t.Context())
		if err == nil || errors.Is(err, status.ErrNoListener) || !strings.Contains(err.Error(), "not a status listener") {
			t.Errorf("%s: %v", name, err)
		}
		other.Close()
	}
}
