package outage

import (
	"sync"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestAStopWithAFullOutboxKeepsItAndTheNextStartDeliversIt(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]*dbserver.Shared{"badger": nil, "PostgreSQL": postgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, server, crash.Options{Queued: true})
			devices := newDevices(t, s, sized(1000, 100), "stop")
			// Intune does not even answer: what is under way has to be given up.
			fault(t, s, intunesim.Fault{Operation: intunesim.OpSuccess, Delay: time.Minute})
			enrolAll(t, s, devices, 20, 1)
			begin := time.Now()
			books := stop(t, s)
			if took := time.Since(begin); took > 16*time.Second {
				t.Errorf("the stop took %s", took)
			}
			if books.Pending() != len(devices) || len(books.Reports) != len(devices) {
				t.Errorf("of %d reports %d are pending, %d in all", len(devices), books.Pending(), len(books.Reports))
			}
			s.Sim.ClearFaults()
			if err := s.Replicas[0].Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, 90*time.Second, "the last report", func() bool { return issued(s) == len(devices) })
			books = stop(t, s)
			checkListedOnce(t, books.Lines, devices)
			if len(books.Reports) != 0 {
				t.Errorf("%d reports are left", len(books.Reports))
			}
		})
	}
}

// A reload hands the outbox on, also one that fails.
func TestReloadsDuringAnOutageLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]intunesim.Fault{
		"while Intune is down": {Operation: intunesim.OpSuccess, Status: 503},
		"while Intune is slow": {Operation: intunesim.OpSuccess, Delay: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, crash.Options{Queued: true})
			devices := newDevices(t, s, sized(500, 100), "reload")
			fault(t, s, f)
			var wg sync.WaitGroup
			wg.Go(func() { enrolAll(t, s, devices, 4, 20) })
			for i := range 6 {
				time.Sleep(500 * time.Millisecond)
				reload(t, s.Replicas[0], i%2 == 1)
			}
			wg.Wait()
			s.Sim.ClearFaults()
			eventually(t, 90*time.Second, "the last report", func() bool { return issued(s) == len(devices) })
			books := stop(t, s)
			checkListedOnce(t, books.Lines, devices)
			if len(books.Reports) != 0 || len(books.Lines) != len(devices) {
				t.Errorf("%d reports are left, Intune lists %d certificates for %d devices", len(books.Reports), len(books.Lines), len(devices))
			}
			for _, d := range devices {
				if n := books.Delivered(intunesim.OpSuccess, d.Message.TransactionID); n != 1 {
					t.Errorf("%s was reported %d times", d.Name, n)
				}
			}
		})
	}
}

// reload reloads the CA, with a configuration that it must refuse when broken is set.
func reload(t *testing.T, r *crash.Replica, broken bool) {
	t.Helper()
	set := func(mode any) {
		err := r.Authority().EditConfig(func(config map[string]any) {
			harness.Provisioner(config, crash.Provisioner)["intune"].(map[string]any)["reporting"] = mode
		})
		if err != nil {
			t.Error(err)
		}
	}
	if broken {
		set("sometimes")
		defer set("queued")
	}
	if err := r.Reload(t.Context()); (err != nil) != broken {
		t.Errorf("a reload with a broken configuration %t: %v", broken, err)
	}
}
