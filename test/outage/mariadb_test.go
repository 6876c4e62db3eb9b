package outage

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// What `make crash` does many times on badger and PostgreSQL, once on MariaDB.
func TestAKillOfOneReplicaOnMariaDBLosesNothing(t *testing.T) {
	t.Parallel()
	for name, queued := range map[string]bool{"strict": false, "queued": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, mariaDB, crash.Options{Queued: queued, Replicas: 2})
			devices := newDevices(t, s, 100, "mariadb")
			// Some requests are with Intune whenever the kill comes.
			for _, operation := range []intunesim.Operation{intunesim.OpValidate, intunesim.OpSuccess} {
				fault(t, s, intunesim.Fault{Operation: operation, Delay: 100 * time.Millisecond})
			}
			var wg sync.WaitGroup
			slots := make(chan struct{}, 20)
			for i, d := range devices {
				slots <- struct{}{}
				if i == len(devices)/2 {
					s.Replicas[0].Kill()
				}
				wg.Go(func() {
					defer func() { <-slots }()
					var asked atomic.Int32 // each time the other replica, as a load balancer does
					choose := func() *crash.Replica { return s.Replicas[(i+int(asked.Add(1)))%2] }
					if err := d.Enrol(t.Context(), 400, 500*time.Millisecond, choose); err != nil {
						t.Error(err)
					}
					if d.Certificate == nil {
						t.Errorf("%s has no certificate after %d attempts: %s", d.Name, d.Attempts, d.Last)
					}
				})
			}
			wg.Wait()
			if err := s.Replicas[0].Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			// What the dead replica was sending is sent again when its lease ends.
			eventually(t, 3*time.Minute, "the last report", func() bool { return issued(s) == len(devices) && isEmpty(t, s) })
			books := stop(t, s)
			checkListedOnce(t, books.Lines, devices)
			checkNothingLost(t, books, devices)
		})
	}
}

// isEmpty reports whether the database, whose server takes one more, holds neither
// reports nor journal.
func isEmpty(t *testing.T, s *crash.Site) bool {
	t.Helper()
	b, err := s.Books(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(b.Reports) == 0 && len(b.Leftover) == 0
}

// checkNothingLost: each certificate is with its device or revoked, and all reports are
// with Intune.
func checkNothingLost(t *testing.T, b *crash.Books, devices []*crash.Device) {
	t.Helper()
	held := map[string]bool{}
	for _, d := range devices {
		if d.Certificate != nil {
			held[fmt.Sprintf("%X", d.Certificate.SerialNumber.Bytes())] = true
		}
	}
	signed := 0
	for serial, c := range b.Stored {
		if c.Subject.CommonName == "" || len(c.DNSNames) > 0 {
			continue // step-ca's own
		}
		signed++
		if held[serial] == b.Revoked[serial] {
			t.Errorf("%s of %s: with its device %t, revoked %t", serial, c.Subject.CommonName, held[serial], b.Revoked[serial])
		}
	}
	if len(b.Reports) > 0 || len(b.Leftover) > 0 {
		t.Errorf("%d reports are left, and %q", len(b.Reports), b.Leftover)
	}
	t.Logf("%d certificates signed, %d revoked", signed, len(b.Revoked))
}
