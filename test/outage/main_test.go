// Package outage tests what step-ca-intune does when Intune is down or slow, when more
// asks than it can answer, and when it is stopped or reloaded meanwhile. With the flag
// -full the tests have the sizes that they are about; without, they are shorter.
package outage

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
	"github.com/step-ca-intune/step-ca-intune/test/mariadb"
	"github.com/step-ca-intune/step-ca-intune/test/postgres"
)

var full = flag.Bool("full", false, "the sizes that the tests are about")

// bin is the folder with the programs under test.
var bin string

// noteSources makes go test run these tests again when the programs have changed.
var noteSources = sync.OnceValue(func() error { return harness.NoteSources(context.Background()) })

// The servers start with the first test that needs them.
var (
	postgreSQL = &dbserver.Shared{Start: postgres.Start}
	mariaDB    = &dbserver.Shared{Start: mariadb.Start}
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "step-ca-intune-outage-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	if err := harness.Build(context.Background(), bin, harness.StepCAIntune); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	postgreSQL.Stop()
	mariaDB.Stop()
	return code
}

// sized returns the test's full size with -full, else the small one.
func sized[T any](large, small T) T {
	if *full {
		return large
	}
	return small
}

// newSite starts a site for a test, with badger unless it is given a server.
func newSite(t *testing.T, on *dbserver.Shared, o crash.Options) *crash.Site {
	t.Helper()
	if err := noteSources(); err != nil {
		t.Fatal(err)
	}
	if on != nil {
		o.Server = on.Server(t)
	}
	o.History = 100_000
	site, err := crash.NewSite(t.Context(), bin, t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		site.Close()
		if t.Failed() && testing.Verbose() {
			for i, r := range site.Replicas {
				t.Logf("replica %d printed:\n%s", i, r.Log())
			}
		}
	})
	return site
}

func newDevices(t *testing.T, s *crash.Site, n int, prefix string) []*crash.Device {
	t.Helper()
	devices, err := s.Devices(n, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return devices
}

func fault(t *testing.T, s *crash.Site, f intunesim.Fault) {
	t.Helper()
	if err := s.Sim.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

// stop ends the CAs and returns the books.
func stop(t *testing.T, s *crash.Site) *crash.Books {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	books, err := s.Books(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return books
}

// enrolAll lets devices enrol, so many at once, each until it has a certificate.
func enrolAll(t *testing.T, s *crash.Site, devices []*crash.Device, atOnce, attempts int) {
	t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, d := range devices {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			choose := func() *crash.Replica { return s.Replicas[i%len(s.Replicas)] }
			if err := d.Enrol(t.Context(), attempts, 500*time.Millisecond, choose); err != nil {
				t.Error(err)
			}
			if d.Certificate == nil {
				t.Errorf("%s has no certificate after %d attempts: %s", d.Name, d.Attempts, d.Last)
			}
		})
	}
	wg.Wait()
}

// checkListedOnce: Intune lists the certificate of each device exactly once, as issued.
func checkListedOnce(t *testing.T, lines []intunesim.Certificate, devices []*crash.Device) {
	t.Helper()
	b := &crash.Books{Lines: lines}
	for _, d := range devices {
		if d.Certificate == nil {
			continue
		}
		if listed := b.Listed(d.Certificate); len(listed) != 1 || listed[0].State != intunesim.StateIssued {
			t.Errorf("%s: Intune lists %+v", d.Name, listed)
		}
	}
}

// eventually waits until another process has come so far. There is no channel to wait
// on across processes, so it looks again and again.
func eventually(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not come within %s", what, within)
		case <-t.Context().Done():
			t.Fatalf("%s did not come before the test ended", what)
		}
	}
}

// issued returns how many certificates Intune lists as issued.
func issued(s *crash.Site) int {
	n := 0
	for _, c := range s.Sim.Certificates() {
		if c.State == intunesim.StateIssued {
			n++
		}
	}
	return n
}

// callsTo returns the calls of an operation that Intune received, in their order.
func callsTo(s *crash.Site, operation intunesim.Operation) []intunesim.Request {
	var some []intunesim.Request
	for _, c := range s.Sim.Requests() {
		if c.Operation == operation {
			some = append(some, c)
		}
	}
	return some
}
