package outage

import (
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// A storm of devices, 1 % of each fault at Microsoft, and each device asks again after
// a FAILURE or a cut connection: in the end each has a certificate, each of these is
// listed once, and nothing of the storm stays in the process.
func TestAStormPasses(t *testing.T) {
	for name, queued := range map[string]bool{"strict": false, "queued": true} {
		t.Run(name, func(t *testing.T) {
			p, variable := newProfile(t)
			s := newSite(t, nil, crash.Options{Queued: queued, Env: []string{variable}})
			enrolAll(t, s, newDevices(t, s, 50, "warm"), 20, 1)
			devices := newDevices(t, s, sized(10_000, 500), "storm")
			goroutines, heap := p.goroutines(), p.heap()
			for _, operation := range []intunesim.Operation{intunesim.OpToken, intunesim.OpDiscovery, intunesim.OpValidate, intunesim.OpSuccess, intunesim.OpFailure} {
				for _, f := range []intunesim.Fault{
					{Status: 500}, {Status: 503, RetryAfter: time.Second}, {Drop: true}, {Delay: time.Second},
					{Drop: true, After: true}, {Status: 500, After: true},
				} {
					f.Operation, f.Probability = operation, 0.01
					fault(t, s, f)
				}
			}
			begin := time.Now()
			enrolAll(t, s, devices, 50, 20)
			took := time.Since(begin)
			s.Sim.ClearFaults()
			eventually(t, 2*time.Minute+time.Duration(len(devices)/20)*time.Second, "the last report", func() bool { return issued(s) >= len(devices)+50 })
			var nowGoroutines int
			eventually(t, 2*time.Minute, "the end of the goroutines", func() bool {
				nowGoroutines = p.goroutines()
				return nowGoroutines <= goroutines+10
			})
			// What is remembered of each certificate for 15 minutes.
			remembered := len(devices) * 20 << 10
			nowHeap := p.heap()
			if nowHeap > heap+remembered+16<<20 {
				t.Errorf("the heap went from %s to %s", mebibytes(heap), mebibytes(nowHeap))
			}
			t.Logf("%d devices in %s; goroutines %d, then %d; heap %s, then %s; memory at most %s",
				len(devices), took.Round(time.Second), goroutines, nowGoroutines, mebibytes(heap), mebibytes(nowHeap), mebibytes(residentMemory(t, s.Replicas[0], "VmHWM")))
			books := stop(t, s)
			checkListedOnce(t, books.Lines, devices)
			if n := books.Pending(); n != 0 {
				t.Errorf("%d reports are left", n)
			}
		})
	}
}
