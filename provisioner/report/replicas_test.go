package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/nosql/database"
)

// cut is a database that a replica can lose.
type cut struct {
	Database
	gone atomic.Bool
}

var errCut = errors.New("the network is down")

func (c *cut) Get(table, key []byte) ([]byte, error) {
	if c.gone.Load() {
		return nil, errCut
	}
	return c.Database.Get(table, key)
}

func (c *cut) List(table []byte) ([]*database.Entry, error) {
	if c.gone.Load() {
		return nil, errCut
	}
	return c.Database.List(table)
}

func (c *cut) Update(tx *database.Tx) error {
	if c.gone.Load() {
		return errCut
	}
	return c.Database.Update(tx)
}

func TestAnotherReplicaTakesOverWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := Memory()
		dying := &cut{Database: db}
		first, second := openStore(t, dying), openStore(t, db)
		var started atomic.Int32
		_, stopFirst := start(t, first, sendFunc(func(ctx context.Context, _ Report) error {
			started.Add(1)
			dying.gone.Store(true)
			<-ctx.Done()
			return ctx.Err()
		}), 8)
		defer stopFirst()
		add(t, first, failureReport("a"))
		pass(time.Second)
		if started.Load() != 1 {
			t.Fatal("the first replica does not send")
		}
		var got recorder
		_, stopSecond := start(t, second, &got, 8)
		defer stopSecond()
		pass(leaseFor - 5*time.Second)
		if len(got.all()) > 0 {
			t.Error("the second replica sent while the first had the report")
		}
		pass(35 * time.Second)
		if kinds := got.kinds("a"); len(kinds) != 1 {
			t.Errorf("the second replica sent %d times", len(kinds))
		}
		empty(t, second, tableOutbox, tableOutboxData)
	})
}

func TestTwoReplicasShareTheWork(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		var got recorder
		stores := []*Store{openStore(t, open()), openStore(t, open())}
		const transactions, each = 30, 2
		for i := range transactions * each {
			r := failureReport(fmt.Sprint(i % transactions))
			r.Description = fmt.Sprint(i / transactions)
			add(t, stores[i%2], r)
		}
		race(stores, func(s *Store) bool {
			NewDelivery(s, &got, noOrphans(t), 4).Drain(t.Context())
			return true
		})
		// A drain leaves what another replica is sending.
		NewDelivery(stores[0], &got, noOrphans(t), 4).Drain(t.Context())
		empty(t, stores[0], tableOutbox, tableOutboxData)
		sent := map[string][]string{}
		for _, r := range got.all() {
			sent[r.TransactionID] = append(sent[r.TransactionID], r.Description)
		}
		for i := range transactions {
			if got := sent[fmt.Sprint(i)]; !slices.Equal(got, []string{"0", "1"}) {
				t.Errorf("of transaction %d was sent %q", i, got)
			}
		}
	})
}

func TestALostDatabaseIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &cut{Database: Memory()}
		s := openStore(t, db)
		var got recorder
		_, stop := start(t, s, &got, 8)
		defer stop()
		db.gone.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.add(ctx, failureReport("lost")); !errors.Is(err, errCut) {
			t.Errorf("adding without a database: %v", err)
		}
		if _, _, err := s.Begin(ctx, requestOf("t"), soon(s)); !errors.Is(err, errCut) {
			t.Errorf("beginning without a database: %v", err)
		}
		pass(time.Hour)
		db.gone.Store(false)
		add(t, s, failureReport("found"))
		pass(30 * time.Second)
		if n := len(got.all()); n != 1 {
			t.Errorf("%d reports were sent", n)
		}
	})
}

func TestADatabaseThatDoesNotAnswerHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &hanging{Database: Memory(), answer: make(chan struct{})}
		s := openStore(t, db)
		db.hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		if _, _, err := s.Begin(ctx, requestOf("t"), soon(s)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("beginning: %v", err)
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		close(db.answer)
	})
}

// hanging is a database behind a network that swallows everything.
type hanging struct {
	Database
	hangs  atomic.Bool
	answer chan struct{}
}

func (h *hanging) Update(tx *database.Tx) error {
	if h.hangs.Load() {
		<-h.answer
	}
	return h.Database.Update(tx)
}
