package report

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestACertificateThatNeverLeftIsTakenBackAndReported(t *testing.T) {
	for _, mode := range []struct {
		name   string
		queued bool
	}{{"strict", false}, {"queued", true}} {
		t.Run(mode.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, open func() Database) {
				c := newClock()
				s, replica := storeAt(t, open(), c), storeAt(t, open(), c)
				claim := begin(t, s, requestOf("t"))
				if err := claim.Prepare(t.Context(), certificate(), mode.queued); err != nil {
					t.Fatal(err)
				}
				var taken []string
				orphans := takeBackFunc(func(_ context.Context, o Orphan) (Failure, error) {
					taken = append(taken, o.TransactionID)
					if string(o.Certificate) != string(certificate().Raw) || string(o.CSR) != "request of t" || o.CAID != "CN=CA" {
						t.Errorf("the orphan is %+v", o)
					}
					return Failure{HResult: -7, Description: "never left"}, nil
				})
				c.advance(orphanedAfter - time.Second)
				sweep(t, replica, orphans)
				if len(taken) > 0 {
					t.Fatal("taken back before its time")
				}
				c.advance(time.Second)
				sweep(t, replica, orphans)
				sweep(t, s, orphans)
				if len(taken) != 1 {
					t.Fatalf("taken back %d times", len(taken))
				}
				if err := claim.Complete(t.Context()); !errors.Is(err, ErrLost) {
					t.Errorf("completing what was taken back: %v", err)
				}
				empty(t, s, tableJournal, tableJournalData, tableRequests, tableTickets)
				var intune recorder
				NewDelivery(replica, &intune, noOrphans(t), 8).Drain(t.Context())
				got := intune.all()
				if len(got) != 1 || got[0].Kind != KindFailure || got[0].HResult != -7 || got[0].Description != "never left" {
					t.Errorf("Intune heard %+v", got)
				}
				begin(t, s, requestOf("t"))
			})
		})
	}
}

func sweep(t *testing.T, s *Store, orphans Orphans) {
	t.Helper()
	if err := s.sweep(t.Context(), orphans); err != nil {
		t.Fatal(err)
	}
}

func TestASweepThatFailsIsRepeated(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		c := newClock()
		s, replica := storeAt(t, open(), c), storeAt(t, open(), c)
		claim := begin(t, s, requestOf("t"))
		if err := claim.Prepare(t.Context(), certificate(), false); err != nil {
			t.Fatal(err)
		}
		c.advance(orphanedAfter)
		calls := 0
		orphans := takeBackFunc(func(context.Context, Orphan) (Failure, error) {
			if calls++; calls == 1 {
				return Failure{}, errors.New("no revocation today")
			}
			return Failure{HResult: -1, Description: "never left"}, nil
		})
		sweep(t, s, orphans)
		if err := claim.Complete(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("completing in the middle of a sweep: %v", err)
		}
		sweep(t, replica, orphans)
		if calls != 1 {
			t.Error("another replica swept before the lease ended")
		}
		c.advance(sweepLease)
		sweep(t, replica, orphans)
		if calls != 2 {
			t.Errorf("taken back %d times, not 2", calls)
		}
		if n := count(t, s, tableOutbox); n != 1 {
			t.Errorf("%d failure reports, not 1", n)
		}
		empty(t, s, tableJournal, tableJournalData)
	})
}

func TestManySweepsReportOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		c := newClock()
		stores := []*Store{storeAt(t, open(), c), storeAt(t, open(), c)}
		for _, transaction := range []string{"a", "b", "c", "d", "e"} {
			if err := begin(t, stores[0], requestOf(transaction)).Prepare(t.Context(), certificate(), true); err != nil {
				t.Fatal(err)
			}
		}
		c.advance(orphanedAfter)
		race(stores, func(s *Store) bool {
			err := s.sweep(t.Context(), takeBackFunc(func(context.Context, Orphan) (Failure, error) {
				return Failure{HResult: -1, Description: "never left"}, nil
			}))
			if err != nil {
				t.Error(err)
			}
			return true
		})
		if n := count(t, stores[0], tableOutbox); n != 5 {
			t.Errorf("%d reports of 5 certificates", n)
		}
		empty(t, stores[0], tableJournal, tableJournalData, tableUnreadable)
	})
}

// A request completes while another replica looks for old ones: one of them wins.
func TestCompletingAndSweepingExcludeEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		c := newClock()
		s, replica := storeAt(t, open(), c), storeAt(t, open(), c)
		for range 50 {
			transaction := newToken()
			claim := begin(t, s, requestOf(transaction))
			if err := claim.Prepare(t.Context(), certificate(), true); err != nil {
				t.Fatal(err)
			}
			c.advance(orphanedAfter)
			completed := make(chan error, 1)
			go func() { completed <- claim.Complete(t.Context()) }()
			taken := false
			sweep(t, replica, takeBackFunc(func(context.Context, Orphan) (Failure, error) {
				taken = true
				return Failure{HResult: -1, Description: "never left"}, nil
			}))
			err := <-completed
			if err != nil && !errors.Is(err, ErrLost) {
				t.Fatal(err)
			}
			var intune recorder
			NewDelivery(s, &intune, noOrphans(t), 8).Drain(t.Context())
			want := []Kind{KindSuccess}
			if taken {
				want = []Kind{KindFailure}
			}
			if got := intune.kinds(transaction); (err == nil) == taken || !slices.Equal(got, want) {
				t.Fatalf("completed: %v, taken back: %v, Intune heard %q", err == nil, taken, got)
			}
		}
		empty(t, s, tableUnreadable)
	})
}

func TestAJournalRecordThatCannotBeReadFreesItsRequest(t *testing.T) {
	for _, table := range []string{tableJournal, tableJournalData} {
		t.Run(table, func(t *testing.T) {
			onEach(t, func(t *testing.T, open func() Database) {
				c := newClock()
				s := storeAt(t, open(), c)
				for _, transaction := range []string{"bad", "good"} {
					if err := begin(t, s, requestOf(transaction)).Prepare(t.Context(), certificate(), false); err != nil {
						t.Fatal(err)
					}
				}
				spoil(t, s, table, keyOf("intune", []byte("request of bad")))
				c.advance(orphanedAfter)
				var taken []string
				sweep(t, s, takeBackFunc(func(_ context.Context, o Orphan) (Failure, error) {
					taken = append(taken, o.TransactionID)
					return Failure{HResult: -1, Description: "never left"}, nil
				}))
				if !slices.Equal(taken, []string{"good"}) {
					t.Errorf("taken back: %q", taken)
				}
				if count(t, s, tableUnreadable) == 0 {
					t.Error("nothing was set aside")
				}
				empty(t, s, tableJournal)
				begin(t, s, requestOf("bad"))
			})
		})
	}
}

// spoil overwrites the rows of a table whose keys begin so.
func spoil(t *testing.T, s *Store, table, prefix string) {
	t.Helper()
	entries, err := s.list(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if key := string(e.Key); len(key) >= len(prefix) && key[:len(prefix)] == prefix {
			if err := s.commit(t.Context(), func(tx *transaction) { tx.set(table, key, []byte(`{"v":1,"r":`)) }); err != nil {
				t.Fatal(err)
			}
		}
	}
}
