package report

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// outage is an Intune that is down until a time and slow afterwards.
type outage struct {
	until time.Time

	mu        sync.Mutex
	failed    []time.Time
	accepted  []time.Time
	order     []string
	flying    int
	mostAtOne int
}

func (o *outage) Send(ctx context.Context, r Report) error {
	now := time.Now()
	if now.Before(o.until) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.failed = append(o.failed, now)
		return errUnavailable
	}
	o.mu.Lock()
	o.accepted = append(o.accepted, now)
	o.order = append(o.order, r.TransactionID)
	o.flying++
	o.mostAtOne = max(o.mostAtOne, o.flying)
	o.mu.Unlock()
	time.Sleep(2 * time.Second)
	o.mu.Lock()
	o.flying--
	o.mu.Unlock()
	return nil
}

func TestAThreeDaysOutageIsCaughtUpInOrderWithoutAStampede(t *testing.T) {
	for _, test := range []struct {
		parallel, mostAtOnce int
		lasts                time.Duration
	}{{256, 100, 71 * time.Hour}, {10, 10, 3 * time.Hour}} {
		t.Run(fmt.Sprintf("%v with %d at once", test.lasts, test.parallel), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const reports = 150
				s := openStore(t, Memory())
				begin := time.Now()
				service := &outage{until: begin.Add(test.lasts)}
				_, stop := start(t, s, service, test.parallel)
				defer stop()
				var want []string
				for i := range reports {
					transaction := fmt.Sprint(i)
					want = append(want, transaction)
					add(t, s, failureReport(transaction))
					time.Sleep((test.lasts - time.Hour) / reports)
				}
				pass(time.Until(service.until))
				if n := len(service.failed); n < int(test.lasts.Minutes()) || n > 3*int(test.lasts.Minutes()) {
					t.Errorf("%d attempts in %v", n, test.lasts)
				}
				pass(30 * time.Minute)
				empty(t, s, tableOutbox, tableOutboxData)
				// The first ones of a provisioner that works again are those that tried last.
				if got := service.order[1:]; !nearly(got, want, test.parallel) {
					t.Errorf("not sent in the order of their creation: %q", got)
				}
				if service.mostAtOne > test.mostAtOnce {
					t.Errorf("%d at once", service.mostAtOne)
				}
				if first := service.accepted[0].Sub(service.until); first > longestPause+time.Second {
					t.Errorf("the end of the outage was noticed after %v", first)
				}
				for i, at := range service.accepted {
					if later := i + maxPerSecond; later < len(service.accepted) && service.accepted[later].Sub(at) < time.Second {
						t.Fatalf("more than %d reports in the second after %v", maxPerSecond, at)
					}
				}
				perSecond := float64(reports-2) / service.accepted[reports-1].Sub(service.accepted[1]).Seconds()
				if limit := float64(test.parallel) / 2; perSecond < min(30, 0.8*limit) {
					t.Errorf("%.1f reports a second are too few", perSecond)
				}
			})
		})
	}
}

// nearly reports whether got has want's order, with each place off by at most the number
// of those that are under way together.
func nearly(got, want []string, off int) bool {
	for i, transaction := range got {
		if at := slices.Index(want, transaction); at < i-off || at > i+off {
			return false
		}
	}
	return true
}

func TestReportsDieAfterThreeDaysOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		service := &outage{until: time.Now().Add(73 * time.Hour)}
		d, stop := start(t, s, service, 8)
		defer stop()
		for i := range 20 {
			add(t, s, failureReport(fmt.Sprint("old ", i)))
		}
		pass(10 * time.Hour)
		add(t, s, failureReport("young"))
		pass(62*time.Hour - time.Minute)
		if snapshot := d.Snapshot(); snapshot.Dead > 0 || snapshot.Pending != 21 {
			t.Errorf("before their time: %+v", snapshot)
		}
		pass(2 * time.Minute)
		if snapshot := d.Snapshot(); snapshot.Dead != 20 || snapshot.Pending != 1 {
			t.Errorf("after their time: %+v", snapshot)
		}
		pass(2 * time.Hour)
		if snapshot := d.Snapshot(); snapshot.Dead != 20 || snapshot.Pending != 0 || !slices.Equal(service.order, []string{"young"}) {
			t.Errorf("after the outage: %+v, sent %q", snapshot, service.order)
		}
	})
}
