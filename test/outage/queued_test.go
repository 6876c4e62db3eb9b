package outage

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// perSecond is how many reports Intune gets in a second at most.
const perSecond = 50

// While Intune takes no success notifications, queued mode goes on issuing. Afterwards
// it catches up in order and without a stampede.
func TestQueuedModeIssuesDuringAnOutageAndCatchesUp(t *testing.T) {
	t.Parallel()
	const maxConcurrent, answerTime = 8, 400 * time.Millisecond
	s := newSite(t, nil, crash.Options{Queued: true, Edit: func(entry map[string]any) {
		entry["intune"].(map[string]any)["maxConcurrent"] = maxConcurrent
	}})
	outage, each := sized(60*time.Second, 15*time.Second), 200*time.Millisecond
	devices := newDevices(t, s, int(outage/each), "outage")
	fault(t, s, intunesim.Fault{Operation: intunesim.OpSuccess, Status: 503})
	end := time.Now().Add(outage)
	tick := time.NewTicker(each)
	defer tick.Stop()
	var wg sync.WaitGroup
	for _, d := range devices {
		<-tick.C
		wg.Go(func() { enrolOnce(t, s, d) })
	}
	wg.Wait()
	time.Sleep(time.Until(end))
	during := callsTo(s, intunesim.OpSuccess)
	if len(during) == 0 || len(during) > len(devices)/2 {
		t.Errorf("during an outage of %s with %d certificates Intune received %d notifications", outage, len(devices), len(during))
	}
	if n := len(s.Sim.Certificates()); n != 0 {
		t.Fatalf("Intune lists %d certificates", n)
	}
	s.Sim.ClearFaults()
	fault(t, s, intunesim.Fault{Operation: intunesim.OpSuccess, Delay: answerTime})
	// The next attempt comes after a minute at most.
	eventually(t, 70*time.Second+time.Duration(len(devices))*answerTime/maxConcurrent*2, "the last report", func() bool { return issued(s) == len(devices) })
	checkListedOnce(t, s.Sim.Certificates(), devices)

	after := callsTo(s, intunesim.OpSuccess)[len(during):]
	if len(after) != len(devices) {
		t.Errorf("%d certificates took %d notifications", len(devices), len(after))
	}
	checkPace(t, after, maxConcurrent, answerTime)
	checkOrder(t, devices, during, after, maxConcurrent)
}

func enrolOnce(t *testing.T, s *crash.Site, d *crash.Device) {
	if c, err := d.Ask(t.Context(), s.Replicas[0]); c == nil {
		t.Errorf("%s got no certificate: %s, %v", d.Name, d.Last, err)
	}
}

// checkPace: each call takes at least answerTime, so that more than atOnce within it
// would be more than that at once. What is sent at even distances arrives in bunches on a
// busy machine, which the shorter times below make room for; a stampede comes at once.
func checkPace(t *testing.T, calls []intunesim.Request, atOnce int, answerTime time.Duration) {
	t.Helper()
	for i, c := range calls {
		if i >= atOnce && c.Time.Sub(calls[i-atOnce].Time) < answerTime/2 {
			t.Errorf("notifications %d to %d were at Intune at once", i-atOnce, i)
		}
		if i >= 2*perSecond && c.Time.Sub(calls[i-2*perSecond].Time) < 3*time.Second/2 {
			t.Errorf("notifications %d to %d came within a second and a half", i-2*perSecond, i)
		}
	}
}

// checkOrder: the certificates are reported in the order in which they were issued,
// but for those whose report had been tried before, and as far as calls overtake each
// other.
func checkOrder(t *testing.T, devices []*crash.Device, before, calls []intunesim.Request, atOnce int) {
	t.Helper()
	tried := map[string]bool{}
	for _, c := range before {
		tried[transaction(t, c)] = true
	}
	place := map[string]int{}
	for _, d := range devices {
		if !tried[d.Message.TransactionID] {
			place[d.Message.TransactionID] = len(place)
		}
	}
	n := 0
	for _, c := range calls {
		want, ok := place[transaction(t, c)]
		if !ok {
			continue
		}
		if n-want > 2*atOnce || want-n > 2*atOnce {
			t.Errorf("report %d came at place %d", want, n)
		}
		n++
	}
	if n < len(devices)/2 {
		t.Errorf("only %d of %d reports waited for the end of the outage", n, len(devices))
	}
}

func transaction(t *testing.T, c intunesim.Request) string {
	t.Helper()
	var body struct {
		Notification struct{ TransactionID string }
	}
	if err := json.Unmarshal([]byte(c.Body), &body); err != nil {
		t.Fatal(err)
	}
	return body.Notification.TransactionID
}

// Without waiting for Intune's answers, the reports still come at no more than 50 a second.
func TestCatchingUpIsNoStampede(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, crash.Options{Queued: true})
	devices := newDevices(t, s, sized(1000, 200), "stampede")
	fault(t, s, intunesim.Fault{Operation: intunesim.OpSuccess, Status: 500})
	enrolAll(t, s, devices, 20, 1)
	s.Sim.ClearFaults()
	s.Sim.ClearRequests()
	eventually(t, 70*time.Second+time.Duration(len(devices)/20)*time.Second, "the last report", func() bool { return issued(s) == len(devices) })
	checkListedOnce(t, s.Sim.Certificates(), devices)
	checkPace(t, callsTo(s, intunesim.OpSuccess), 256, 0)
}
