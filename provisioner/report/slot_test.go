package report

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
)

// neighbour returns another transaction whose reports share the slot of this one's.
func neighbour(transaction string) string {
	slot := slotOf(groupOf(requestOf(transaction)))
	for i := 0; ; i++ {
		if other := fmt.Sprint("neighbour ", i); slotOf(groupOf(requestOf(other))) == slot {
			return other
		}
	}
}

func settle(t *testing.T, s *Store, transaction string, sender Sender) {
	t.Helper()
	if err := s.Settle(t.Context(), requestOf(transaction), sender); err != nil {
		t.Fatal(err)
	}
}

// An enrolment must not pay for an outbox that does not concern it.
func TestSettleReadsTheOutboxOnlyWhenSomethingWasAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &slowList{Database: Memory()}
		s := openStore(t, db)
		var got recorder
		step := func(want int, what string) {
			t.Helper()
			for range 3 {
				settle(t, s, "t", &got)
			}
			if db.reads != want {
				t.Errorf("%s: the outbox was read %d times, want %d", what, db.reads, want)
			}
		}
		step(0, "with an empty outbox")
		add(t, s, failureReport(neighbour("t")))
		step(1, "with a report of another transaction that shares the slot")
		add(t, s, failureReport("t"))
		step(3, "with a report of its own") // once to find it, once to find it gone
		if n := len(got.all()); n != 1 {
			t.Errorf("%d reports were sent", n)
		}
	})
}

func TestSettleSeesWhatAnotherReplicaAddsLater(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func() Database) {
		other, s := openStore(t, open()), openStore(t, open())
		var got recorder
		add(t, other, failureReport("t"))
		for want := 1; want <= 3; want++ {
			settle(t, s, "t", &got)
			settle(t, s, "t", &got)
			if n := len(got.kinds("t")); n != want {
				t.Fatalf("%d reports were sent, want %d", n, want)
			}
			add(t, other, failureReport("t"))
		}
	})
}

// Settle has seen it dead, and an operator makes it pending again.
func TestSettleSeesAReportThatIsTriedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func() Database) {
		other, s := openStore(t, open()), openStore(t, open())
		add(t, s, failureReport("t"))
		settle(t, s, "t", sendFunc(func(context.Context, Report) error { return errRefused }))
		settle(t, s, "t", sendFunc(func(context.Context, Report) error { t.Error("a dead report was sent"); return nil }))
		if err := other.Retry(t.Context(), only(t, s).ID); err != nil {
			t.Fatal(err)
		}
		var got recorder
		settle(t, s, "t", &got)
		if n := len(got.all()); n != 1 {
			t.Errorf("%d reports were sent", n)
		}
	})
}

// Who reads a row of an outbox that somebody has written by hand does not fall over it.
func TestAGroupMayBeShort(t *testing.T) {
	if got := slotOf("1"); got != "1" {
		t.Errorf("got %q", got)
	}
}
