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
)

func TestTheSameRequestGetsTheCertificateAlreadyIssued(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		c := newClock()
		s, replica := storeAt(t, open(), c), storeAt(t, open(), c)
		claim := begin(t, s, requestOf("first"))
		if err := claim.Prepare(t.Context(), certificate(), false); err != nil {
			t.Fatal(err)
		}
		if err := claim.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
		empty(t, s, tableJournal, tableJournalData, tableOutbox)

		c.advance(14 * time.Minute)
		again := requestOf("first")
		again.TransactionID = "second"
		claim, issued, err := replica.Begin(t.Context(), again, soon(s))
		if err != nil || claim != nil || issued == nil {
			t.Fatalf("the repeat got %v, %v, %v", claim, issued, err)
		}
		if issued.Serial != "10203" || issued.TransactionID != "first" {
			t.Errorf("the repeat got serial %q of transaction %q", issued.Serial, issued.TransactionID)
		}

		c.advance(2 * time.Minute)
		if err := begin(t, replica, again).Abort(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		empty(t, s, tableRequests, tableTickets, tableOutbox)
	})
}

func TestARevokedCertificateIsNotIssuedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		s := openStore(t, open())
		issued := issue(t, s, requestOf("t"))
		claim, _, err := s.Restart(t.Context(), requestOf("t"), issued, soon(s))
		if err != nil || claim == nil {
			t.Fatalf("no claim, %v", err)
		}
		// A second one that has seen the revoked certificate, too, waits for the first.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if second, _, err := s.Restart(ctx, requestOf("t"), issued, soon(s)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the second one got %v, %v", second, err)
		}
	})
}

// issue ends a request with a certificate.
func issue(t *testing.T, s *Store, r Request) *Issued {
	t.Helper()
	claim := begin(t, s, r)
	if err := claim.Prepare(t.Context(), certificate(), false); err != nil {
		t.Fatal(err)
	}
	if err := claim.Complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, issued, err := s.Begin(t.Context(), r, soon(s))
	if err != nil || issued == nil {
		t.Fatalf("nothing was issued, %v", err)
	}
	return issued
}

func TestAReportIsQueuedWhenTheRequestEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(t *testing.T, c *Claim) error
		want []Kind
	}{
		{"a strict success reports nothing", func(t *testing.T, c *Claim) error {
			return errors.Join(c.Prepare(t.Context(), certificate(), false), c.Complete(t.Context()))
		}, nil},
		{"a queued success is reported", func(t *testing.T, c *Claim) error {
			return errors.Join(c.Prepare(t.Context(), certificate(), true), c.Complete(t.Context()))
		}, []Kind{KindSuccess}},
		{"a failure before signing is reported", func(t *testing.T, c *Claim) error {
			return c.Abort(t.Context(), &Failure{HResult: -1, Description: "no"})
		}, []Kind{KindFailure}},
		{"a failure of a queued success is reported alone", func(t *testing.T, c *Claim) error {
			return errors.Join(c.Prepare(t.Context(), certificate(), true), c.Abort(t.Context(), &Failure{HResult: -1, Description: "no"}))
		}, []Kind{KindFailure}},
		{"what Intune itself refused is not reported", func(t *testing.T, c *Claim) error {
			return errors.Join(c.Prepare(t.Context(), certificate(), false), c.Abort(t.Context(), nil))
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, open func() Database) {
				s := openStore(t, open())
				if err := test.end(t, begin(t, s, requestOf("t"))); err != nil {
					t.Fatal(err)
				}
				empty(t, s, tableJournal, tableJournalData)
				var intune recorder
				NewDelivery(s, &intune, noOrphans(t), 8).Drain(t.Context())
				if got := intune.kinds("t"); !slices.Equal(got, test.want) {
					t.Errorf("Intune heard %q, not %q", got, test.want)
				}
				empty(t, s, tableOutbox, tableOutboxData)
			})
		})
	}
}

func TestTheNextHolderWaitsForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		first := begin(t, s, requestOf("t"))
		got := make(chan *Issued, 1)
		go func() {
			_, issued, err := s.Begin(t.Context(), requestOf("t"), soon(s))
			if err != nil {
				t.Error(err)
			}
			got <- issued
		}()
		pass(5 * time.Second)
		if err := first.Prepare(t.Context(), certificate(), false); err != nil {
			t.Fatal(err)
		}
		pass(25 * time.Second)
		if len(got) > 0 {
			t.Fatal("the second one did not wait for a prepared request")
		}
		if err := first.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if issued := <-got; issued == nil || issued.Serial != "10203" {
			t.Errorf("the second one got %+v", issued)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the second one noticed after %v", took)
		}
	})
}

func TestWhoTakesTooLongHasLostTheRequest(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		c := newClock()
		s := storeAt(t, open(), c)
		slow := begin(t, s, requestOf("t"))
		c.advance(26 * time.Second)
		next := begin(t, s, requestOf("t"))
		if err := slow.Prepare(t.Context(), certificate(), false); !errors.Is(err, ErrLost) {
			t.Errorf("preparing a lost request: %v", err)
		}
		if err := slow.Abort(t.Context(), &Failure{HResult: -1, Description: "late"}); !errors.Is(err, ErrLost) {
			t.Errorf("giving up a lost request: %v", err)
		}
		empty(t, s, tableJournal, tableJournalData, tableOutbox, tableOutboxData)
		if err := next.Prepare(t.Context(), certificate(), false); err != nil {
			t.Error(err)
		}
		if err := next.Complete(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOldRequestsAreRemoved(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		c := newClock()
		s := storeAt(t, open(), c)
		issue(t, s, requestOf("issued"))
		begin(t, s, requestOf("abandoned"))
		prepared := begin(t, s, requestOf("prepared"))
		if err := prepared.Prepare(t.Context(), certificate(), false); err != nil {
			t.Fatal(err)
		}
		// What a loser of a race leaves when it dies.
		if err := s.commit(t.Context(), func(tx *transaction) {
			tx.set(tableTickets, ticketOf(keyOf("intune", []byte("request of issued")), newToken()), ticketValue)
		}); err != nil {
			t.Fatal(err)
		}
		c.advance(RememberFor - time.Second)
		if err := s.removeExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, tableRequests); n != 3 {
			t.Errorf("%d requests are left before the time, not 3", n)
		}
		c.advance(time.Second)
		if err := s.removeExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, tableRequests); n != 2 {
			t.Errorf("%d requests are left of the store, not 2", n)
		}
		// Those of a store that is gone are found by another.
		if err := storeAt(t, open(), c).removeLeftovers(t.Context()); err != nil {
			t.Fatal(err)
		}
		if requests, tickets := count(t, s, tableRequests), count(t, s, tableTickets); requests != 1 || tickets != 1 {
			t.Errorf("%d requests and %d tickets are left, not the prepared one", requests, tickets)
		}
		if err := prepared.Complete(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOldRequestsAreRemovedByLockButForTheOneThatBeganAnew(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		var updates, refused atomic.Int32
		c := newClock()
		s := storeAt(t, &counting{open(), &updates, &refused}, c)
		// All of the first lock that is met often, in more than one transaction's worth.
		lock, requests := "", []Request{}
		for i := 0; len(requests) < removedAtOnce+2; i++ {
			r := requestOf(fmt.Sprint(i))
			of := lockOf(keyOf(r.Provisioner, r.CSR))
			if lock == "" {
				lock = of
			}
			if of == lock {
				requests = append(requests, r)
			}
		}
		for _, r := range requests {
			issue(t, s, r)
		}
		slices.SortFunc(requests, func(a, b Request) int {
			return strings.Compare(keyOf(a.Provisioner, a.CSR), keyOf(b.Provisioner, b.CSR))
		})
		c.advance(RememberFor)
		before := updates.Load()
		again := begin(t, s, requests[removedAtOnce+1])
		if err := s.removeExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
		// One for the request that begins anew, one for those before it, one that it spoils, and
		// two for the requests of that.
		if took := updates.Load() - before; took < 5 || took > 8 {
			t.Errorf("it took %d transactions", took)
		}
		if left, tickets := count(t, s, tableRequests), count(t, s, tableTickets); left != 1 || tickets != 1 {
			t.Errorf("%d requests and %d tickets are left, not the one that began anew", left, tickets)
		}
		if err := again.Abort(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestARemovalThatFailsIsTriedAgain(t *testing.T) {
	c := newClock()
	s := storeAt(t, Memory(), c)
	for i := range 10 {
		issue(t, s, requestOf(fmt.Sprint(i)))
	}
	c.advance(RememberFor)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.removeExpired(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
	if err := s.removeExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty(t, s, tableTickets)
}
