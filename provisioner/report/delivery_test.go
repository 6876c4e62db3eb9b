package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/nosql/database"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

var (
	errUnavailable = &intune.ServiceError{Kind: intune.ErrUnavailable, Operation: "failureNotification", StatusCode: 503}
	errRefused     = &intune.ServiceError{Kind: intune.ErrRefused, Operation: "failureNotification", Code: "SomeCode"}
	errThrottled   = &intune.ServiceError{Kind: intune.ErrThrottled, Operation: "failureNotification", RetryAfter: 40 * time.Second}
)

// start runs a delivery until the returned function is called, or the test ends.
func start(t *testing.T, s *Store, sender Sender, parallel int) (d *Delivery, stop func()) {
	t.Helper()
	d = NewDelivery(s, sender, noOrphans(t), parallel)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		d.Run(ctx)
		close(done)
	}()
	return d, func() {
		cancel()
		<-done
	}
}

func add(t *testing.T, s *Store, reports ...Report) {
	t.Helper()
	for _, r := range reports {
		if err := s.add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// only returns the one report that the outbox has.
func only(t *testing.T, s *Store) Summary {
	t.Helper()
	all, err := s.Reports(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("the outbox has %+v, %v", all, err)
	}
	return all[0]
}

func TestAReportIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		var got recorder
		_, stop := start(t, s, &got, 8)
		defer stop()
		pass(time.Minute)
		want := failureReport("t")
		add(t, s, want)
		pass(100 * time.Millisecond)
		if all := got.all(); len(all) != 1 || fmt.Sprint(all[0]) != fmt.Sprint(want) {
			t.Errorf("sent %+v", all)
		}
		empty(t, s, tableOutbox, tableOutboxData)
	})
}

func TestReportsOfOneTransactionKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		var sent []string
		_, stop := start(t, s, sendFunc(func(_ context.Context, r Report) error {
			sent = append(sent, r.Description)
			if r.Description == "first" && len(sent) < 3 {
				return errors.New("not yet")
			}
			return nil
		}), 8)
		defer stop()
		for _, text := range []string{"first", "second", "third"} {
			r := failureReport("t")
			r.Description = text
			add(t, s, r)
		}
		pass(time.Minute)
		if want := []string{"first", "first", "first", "second", "third"}; !slices.Equal(sent, want) {
			t.Errorf("sent %q, not %q", sent, want)
		}
	})
}

func TestAFailingReportIsTriedLessAndLessOftenUntilItIsDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		var attempts []time.Time
		answer := errors.New("something\nabout this report")
		_, stop := start(t, s, sendFunc(func(context.Context, Report) error {
			attempts = append(attempts, time.Now())
			return answer
		}), 8)
		defer stop()
		add(t, s, failureReport("t"))
		pass(deadAfter - time.Second)
		if r := only(t, s); r.Dead || r.Attempts != len(attempts) || r.Error != "something about this report" {
			t.Errorf("before its end: %+v after %d attempts", r, len(attempts))
		}
		pass(20 * time.Minute)
		if r := only(t, s); !r.Dead {
			t.Errorf("after 72 hours: %+v", r)
		}
		if n := len(attempts); n < 72*4 || n > 72*9 {
			t.Errorf("%d attempts in 72 hours", n)
		}
		if pause := attempts[1].Sub(attempts[0]); pause < time.Second || pause > 3*time.Second {
			t.Errorf("the first pause is %v", pause)
		}
		for i := range attempts[1:] {
			if pause := attempts[i+1].Sub(attempts[i]); pause > slowestRetry+time.Minute {
				t.Errorf("pause %d is %v", i, pause)
			}
		}
		before := len(attempts)
		pass(24 * time.Hour)
		if len(attempts) > before {
			t.Error("a dead report was sent")
		}

		answer = nil
		if err := s.Retry(t.Context(), only(t, s).ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		empty(t, s, tableOutbox, tableOutboxData)
	})
}

func TestARefusedReportIsDeadUntilSomebodyDropsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		calls := 0
		d, stop := start(t, s, sendFunc(func(_ context.Context, r Report) error {
			if calls++; r.TransactionID == "refused" {
				return fmt.Errorf("sending: %w", errRefused)
			}
			return nil
		}), 8)
		defer stop()
		add(t, s, failureReport("refused"), failureReport("fine"))
		pass(time.Hour)
		r := only(t, s)
		if !r.Dead || r.Attempts != 1 || calls != 2 || !strings.Contains(r.Error, "SomeCode") {
			t.Errorf("after %d calls: %+v", calls, r)
		}
		if snapshot := d.Snapshot(); snapshot.Dead != 1 || snapshot.Pending != 0 {
			t.Errorf("the snapshot is %+v", snapshot)
		}
		if err := s.Drop(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		empty(t, s, tableOutbox, tableOutboxData)
		if err := s.Drop(t.Context(), r.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("dropping twice: %v", err)
		}
		if err := s.Retry(t.Context(), r.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("retrying what was dropped: %v", err)
		}
	})
}

func TestADeadReportDoesNotHoldUpTheNextOfItsTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		sent := 0
		_, stop := start(t, s, sendFunc(func(context.Context, Report) error {
			if sent++; sent == 1 {
				return errRefused
			}
			return nil
		}), 8)
		defer stop()
		add(t, s, failureReport("t"), failureReport("t"))
		pass(time.Minute)
		if r := only(t, s); sent != 2 || !r.Dead {
			t.Errorf("%d calls, left %+v", sent, r)
		}
	})
}

func TestThrottlingIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		var calls []time.Time
		_, stop := start(t, s, sendFunc(func(context.Context, Report) error {
			if calls = append(calls, time.Now()); len(calls) == 1 {
				return errThrottled
			}
			return nil
		}), 1)
		defer stop()
		begun := time.Now()
		add(t, s, failureReport("a"), failureReport("b"), failureReport("c"))
		pass(time.Second)
		all, err := s.Reports(t.Context())
		if err != nil || len(all) != 3 || all[0].Next.Sub(begun).Round(time.Second) < errThrottled.RetryAfter {
			t.Errorf("other replicas see %+v, %v", all, err)
		}
		pass(2 * time.Minute)
		if len(calls) != 4 {
			t.Fatalf("%d calls for 3 reports and a refusal", len(calls))
		}
		if pause := calls[1].Sub(calls[0]); pause < errThrottled.RetryAfter {
			t.Errorf("the next call came after %v", pause)
		}
	})
}

func TestAnUnknownProvisionersReportsStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		var known recorder
		var arrived atomic.Bool
		calls := 0
		_, stop := start(t, s, sendFunc(func(ctx context.Context, r Report) error {
			if r.Provisioner == "gone" && !arrived.Load() {
				calls++
				return ErrUnknownProvisioner
			}
			return known.Send(ctx, r)
		}), 8)
		defer stop()
		gone := failureReport("t")
		gone.Provisioner = "gone"
		add(t, s, gone, failureReport("t"))
		pass(80 * time.Hour)
		if r := only(t, s); r.Dead || r.Attempts != 0 || len(known.all()) != 1 {
			t.Errorf("after 80 hours: %+v, %d others sent", r, len(known.all()))
		}
		if calls > 80*60*2+2 {
			t.Errorf("asked %d times", calls)
		}
		arrived.Store(true)
		pass(2 * time.Minute)
		empty(t, s, tableOutbox, tableOutboxData)
	})
}

func TestASenderThatPanicsIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		calls := 0
		_, stop := start(t, s, sendFunc(func(context.Context, Report) error {
			if calls++; calls == 1 {
				panic("nil map")
			}
			return nil
		}), 8)
		defer stop()
		add(t, s, failureReport("t"))
		pass(time.Minute)
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
		empty(t, s, tableOutbox)
	})
}

func TestAnAttemptHasALimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		calls := 0
		_, stop := start(t, s, sendFunc(func(ctx context.Context, _ Report) error {
			if calls++; calls == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}), 8)
		defer stop()
		add(t, s, failureReport("t"))
		pass(sendTimeout + 5*time.Second)
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
	})
}

// unremovable is a database that takes no deletions from the outbox for a while.
type unremovable struct {
	Database
	broken atomic.Bool
}

func TestADeliveredReportIsNotSentAgainWhenItsRowStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &unremovable{Database: Memory()}
		s := openStore(t, db)
		db.broken.Store(true)
		var got recorder
		_, stop := start(t, s, &got, 8)
		defer stop()
		add(t, s, failureReport("t"))
		pass(5 * time.Minute)
		if count(t, s, tableOutbox) != 1 {
			t.Fatal("the row is gone")
		}
		db.broken.Store(false)
		pass(time.Minute)
		empty(t, s, tableOutbox, tableOutboxData)
		if n := len(got.all()); n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
}

func (u *unremovable) Update(tx *database.Tx) error {
	for _, op := range tx.Operations {
		if u.broken.Load() && op.Cmd == database.Delete && string(op.Bucket) == tableOutbox {
			return errors.New("no deletions today")
		}
	}
	return u.Database.Update(tx)
}
