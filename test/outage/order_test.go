package outage

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// operator is a webhook server of the operator's that allows or denies: the CA's own
// reason not to issue what Intune has approved.
type operator struct{ denies atomic.Bool }

func newOperator(t *testing.T) (o *operator, options crash.Options) {
	t.Helper()
	o = &operator{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"allow": %t}`, !o.denies.Load())
	}))
	t.Cleanup(server.Close)
	root := filepath.Join(t.TempDir(), "root.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(root, text, 0o600); err != nil {
		t.Fatal(err)
	}
	options.Env = []string{"SSL_CERT_FILE=" + root}
	options.Edit = func(entry map[string]any) {
		entry["options"] = map[string]any{"webhooks": []any{map[string]any{
			"id": "1b7ac1b1-ef5a-45c4-a7f7-3a2b1c0d9e8f", "name": "operator", "kind": "AUTHORIZING", "url": server.URL, "disableTLSClientAuth": true,
		}}}
	}
	return o, options
}

// A device asks, the CA fails, the device asks again with the same transaction and gets
// its certificate. Intune hears of the failure first, or not at all: told afterwards, it
// would list the certificate as failed.
func TestAFailureIsNotReportedAfterTheCertificateThatFollowedIt(t *testing.T) {
	t.Parallel()
	for name, queued := range map[string]bool{"strict": false, "queued": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, options := newOperator(t)
			options.Queued = queued
			s := newSite(t, nil, options)
			devices := newDevices(t, s, 1, "late")
			fault(t, s, intunesim.Fault{Operation: intunesim.OpFailure, Status: 503})
			o.denies.Store(true)
			if c, _ := devices[0].Ask(t.Context(), s.Replicas[0]); c != nil {
				t.Fatal("the operator denied, and the device got a certificate")
			}
			eventually(t, 20*time.Second, "the attempt to report the failure", func() bool { return len(callsTo(s, intunesim.OpFailure)) > 0 })
			o.denies.Store(false)
			go func() {
				time.Sleep(3 * time.Second) // it may wait for the report of the failure
				s.Sim.ClearFaults()
			}()
			enrolAll(t, s, devices, 1, 20)
			checkEnd(t, s, devices)
		})
	}
}

// A device has its certificate and asks again, since the answer was lost. When the CA
// fails this time, the certificate is still what it was.
func TestARepeatThatFailsDoesNotUndoTheCertificate(t *testing.T) {
	t.Parallel()
	for name, queued := range map[string]bool{"strict": false, "queued": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, options := newOperator(t)
			options.Queued = queued
			s := newSite(t, nil, options)
			devices := newDevices(t, s, 1, "repeat")
			enrolAll(t, s, devices, 1, 1)
			o.denies.Store(true)
			if c, _ := devices[0].Ask(t.Context(), s.Replicas[0]); c != nil {
				t.Fatal("the operator denied, and the device got a certificate")
			}
			checkEnd(t, s, devices)
		})
	}
}

// As above; this time the database is out of reach for a moment.
func TestARepeatWithoutDatabaseDoesNotUndoTheCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t, postgreSQL, crash.Options{Links: true})
	devices := newDevices(t, s, 1, "repeat")
	enrolAll(t, s, devices, 1, 1)
	s.Replicas[0].Database.Cut()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if c, err := devices[0].Ask(t.Context(), s.Replicas[0]); c != nil || err != nil {
			t.Errorf("without its database the CA answered with a certificate, %v", err)
		}
	}()
	eventually(t, 20*time.Second, "the failure", func() bool {
		b, err := s.Books(t.Context())
		return err == nil && len(b.Outcomes) == 2
	})
	s.Replicas[0].Database.Restore()
	<-asked
	checkEnd(t, s, devices)
}

// checkEnd waits until everything has been reported, and looks what Intune lists then.
func checkEnd(t *testing.T, s *crash.Site, devices []*crash.Device) {
	t.Helper()
	time.Sleep(8 * time.Second) // a report that must not come would have come
	books := stop(t, s)
	if n := books.Pending(); n != 0 {
		t.Errorf("%d reports are left", n)
	}
	checkListedOnce(t, books.Lines, devices)
}
