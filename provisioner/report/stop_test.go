package report

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestStoppingLeavesNothingToWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		quick := make(chan struct{})
		_, stop := start(t, s, sendFunc(func(ctx context.Context, r Report) error {
			if r.TransactionID == "quick" {
				<-quick
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}), 8)
		add(t, s, failureReport("quick"), failureReport("slow"))
		pass(time.Second)
		go func() {
			time.Sleep(2 * time.Second)
			close(quick)
		}()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took > stopGrace+time.Second {
			t.Errorf("stopping took %v", took)
		}
		if r := only(t, s); r.Transaction != "slow" || r.Attempts != 0 || r.Dead {
			t.Errorf("left is %+v", r)
		}
		// After a reload the same store has a new delivery.
		var got recorder
		_, stop = start(t, s, &got, 8)
		defer stop()
		pass(time.Second)
		if kinds := got.kinds("slow"); len(kinds) != 1 {
			t.Errorf("the next delivery sent %d times at once", len(kinds))
		}
		if len(got.kinds("quick")) > 0 {
			t.Error("the next delivery sent what the first one had sent")
		}
	})
}

func TestADrainDeliversWhatIsDueAndKeepsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		fail := true
		var got recorder
		d := NewDelivery(s, sendFunc(func(ctx context.Context, r Report) error {
			if r.TransactionID == "later" && fail {
				return fmt.Errorf("not yet")
			}
			return got.Send(ctx, r)
		}), noOrphans(t), 8)
		add(t, s, failureReport("later"), failureReport("a"), failureReport("a"), failureReport("b"))
		begun := time.Now()
		d.Drain(t.Context())
		if took := time.Since(begun); took > time.Second {
			t.Errorf("draining took %v", took)
		}
		if r := only(t, s); r.Transaction != "later" || len(got.all()) != 3 {
			t.Errorf("sent %d, left %+v", len(got.all()), r)
		}
		fail = false
		pass(5 * time.Second)
		d.Drain(t.Context())
		empty(t, s, tableOutbox, tableOutboxData)
	})
}

func TestADrainEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		for i := range 100 {
			add(t, s, failureReport(fmt.Sprint(i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		calls := 0
		NewDelivery(s, sendFunc(func(ctx context.Context, _ Report) error {
			calls++
			select {
			case <-time.After(900 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}), noOrphans(t), 1).Drain(ctx)
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("draining took %v", took)
		}
		if n := count(t, s, tableOutbox); n != 97 {
			t.Errorf("%d reports are left of 100 after %d calls", n, calls)
		}
		var got recorder
		_, stop := start(t, s, &got, 8)
		defer stop()
		pass(4 * time.Second)
		if n := len(got.all()); n != 97 {
			t.Errorf("%d reports were sent afterwards", n)
		}
	})
}
