package e2e

import (
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Whatever hangs, the device gets a FAILURE at the end of the timeout and not
// much later. A busy machine may take its time, so one of three tries has to do.
func TestAHangDelaysTheAnswerByTheTimeoutAtMost(t *testing.T) {
	for _, operation := range []intunesim.Operation{
		intunesim.OpToken, intunesim.OpDiscovery, intunesim.OpValidate, intunesim.OpSuccess,
	} {
		t.Run(string(operation), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, short)
			s.fault(intunesim.Fault{Operation: operation, Delay: time.Minute})
			c := s.connect(intune)
			var took time.Duration
			for range 3 {
				m := s.prepare(c, s.genuine("device-1"))
				begin := time.Now()
				result := s.send(c, m)
				took = time.Since(begin)
				if result.Status != scep.FAILURE || result.Certificate != nil {
					t.Fatalf("got %s", describe(result))
				}
				if took < timeout+2*time.Second {
					return
				}
			}
			t.Errorf("the answer took %s", took)
		})
	}
}

// The longest timeout that there is: the answer comes before step-ca's own 15
// seconds are over, after which it would cut the connection.
func TestTheLongestTimeoutLeavesTimeForTheAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(entry map[string]any, _ *harness.Options) { settings(entry)["timeout"] = "13s" })
	s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Delay: time.Minute})
	s.refuses("deadline")
}

// A validation and a notification that are each in time but not together.
func TestAllOfAnEnrolmentHasToFitIntoTheTimeout(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(entry map[string]any, _ *harness.Options) { settings(entry)["timeout"] = "8s" })
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Delay: 3 * time.Second})
	s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Delay: 6 * time.Second})
	s.refuses("deadline")
	s.withheld()
}

// Slow is not wrong: what is in time is issued.
func TestASlowIntuneIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Delay: time.Second})
	s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Delay: time.Second})
	s.issue("device-1")
}
