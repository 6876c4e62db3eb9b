package status_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

var discard = slog.New(slog.DiscardHandler)

var errDatabase = errors.New("the database does not answer")

// fakeCA is a CA with one provisioner.
type fakeCA struct {
	unready error
	outbox  report.Snapshot
	tokens  time.Time
	reports *fakeReports
}

func newFakeCA() *fakeCA { return &fakeCA{reports: new(fakeReports)} }

func (c *fakeCA) Ready(context.Context) error { return c.unready }

func (c *fakeCA) Provisioners() []status.Provisioner {
	return []status.Provisioner{{
		Name: "intune", Tenant: "contoso.onmicrosoft.com", Taken: 3, MaxConcurrent: 256,
		GraphToken: c.tokens, IntuneToken: c.tokens,
	}}
}

func (c *fakeCA) Enrolling() int          { return 5 }
func (c *fakeCA) Outbox() report.Snapshot { return c.outbox }

func (c *fakeCA) Reports() status.Reports {
	if c.reports == nil {
		return nil
	}
	return c.reports
}

// fakeReports is an outbox with one report, and what was asked for.
type fakeReports struct {
	err  error
	done []string
}

var shown = report.Detail{
	Summary: report.Summary{ID: "1", Kind: report.KindFailure, Dead: true, Provisioner: "intune", Transaction: "tx", Attempts: 3, Error: "no"},
	Subject: "CN=device",
}

func (f *fakeReports) Reports(context.Context) ([]report.Summary, error) {
	return []report.Summary{shown.Summary}, f.err
}

func (f *fakeReports) Report(context.Context, string) (*report.Detail, error) { return &shown, f.err }

func (f *fakeReports) Retry(_ context.Context, id string) error {
	f.done = append(f.done, "retry "+id)
	return f.err
}

func (f *fakeReports) Drop(_ context.Context, id string) error {
	f.done = append(f.done, "drop "+id)
	return f.err
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// listen serves a board on loopback and returns its address.
func listen(t *testing.T, b *status.Board) string {
	t.Helper()
	address := freeAddress(t)
	if err := b.Listen(address, false, discard); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return address
}

// client asks each time anew, as other machines do.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// change changes what is sent.
type change func(*http.Request)

func do(t *testing.T, method, url, body string, changes ...change) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		c(r)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func header(key, value string) change {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

// from serves one request of a peer, without a network.
func from(b *status.Board, peer string, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.RemoteAddr = peer
	status.HandlerOf(b).ServeHTTP(w, r)
	return w
}

// traced is a GET that tells which connection it takes.
func traced(t *testing.T, url string, took func(net.Conn)) *http.Request {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { took(i.Conn) }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
