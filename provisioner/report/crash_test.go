package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/smallstep/nosql/database"
)

var errCrash = errors.New("the process is gone")

// crashing is a database that a process loses at its n-th write: before it happens, or
// after it has but before the process hears of it.
type crashing struct {
	Database
	left   int
	after  bool
	crash  context.CancelFunc
	mu     sync.Mutex
	writes int
}

func (c *crashing) Update(tx *database.Tx) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	c.left--
	if c.left > 0 {
		return c.Database.Update(tx)
	}
	if c.left == 0 && c.after {
		if err := c.Database.Update(tx); err != nil {
			return err
		}
	}
	c.crash()
	return errCrash
}

// world is what remains when a process dies: the database, what Intune knows, and which
// certificates devices hold.
type world struct {
	name    string
	db      Database
	clock   *clock
	intune  recorder
	revoked []string
	holds   map[string]bool // transactions
	issued  map[string]bool // signed and not known to have ended
}

// TakeBack implements Orphans.
func (w *world) TakeBack(_ context.Context, o Orphan) (Failure, error) {
	w.revoked = append(w.revoked, o.TransactionID)
	return Failure{HResult: -1, Description: "never left"}, nil
}

// live is what one process does until it is finished or dies.
func (w *world) live(ctx context.Context, t *testing.T, db Database) {
	s, err := Open(ctx, db, nil)
	if err != nil {
		return
	}
	s.now = w.clock.Now
	for _, transaction := range []string{"strict", "queued", "refused", "undelivered"} {
		claim, _, err := s.Begin(ctx, requestOf(transaction), soon(s))
		if err != nil {
			return
		}
		switch transaction {
		case "refused":
			if claim.Abort(ctx, &Failure{HResult: -1, Description: "refused"}) != nil {
				return
			}
			continue
		case "undelivered":
			if claim.Prepare(ctx, certificate(), false) != nil {
				return
			}
			w.issued[transaction] = true
			w.intune.Send(ctx, Report{Kind: KindSuccess, Request: requestOf(transaction)})
			w.revoked = append(w.revoked, transaction)
			if claim.Abort(ctx, &Failure{HResult: -1, Description: "step-ca could not store it"}) != nil {
				return
			}
			continue
		}
		if claim.Prepare(ctx, certificate(), transaction == "queued") != nil {
			return
		}
		w.issued[transaction] = true
		if transaction == "strict" {
			w.intune.Send(ctx, Report{Kind: KindSuccess, Request: requestOf(transaction)})
		}
		if claim.Complete(ctx) != nil {
			return
		}
		w.holds[transaction] = true
	}
	later := failureReport("queued")
	if s.add(ctx, later) != nil {
		return
	}
	NewDelivery(s, &w.intune, w, 4).Drain(ctx)
}

// recover is the next process.
func (w *world) recover(t *testing.T) *Store {
	w.clock.advance(2 * orphanedAfter)
	s := storeAt(t, w.db, w.clock)
	sweep(t, s, w)
	w.clock.advance(2 * orphanedAfter)
	sweep(t, s, w)
	NewDelivery(s, &w.intune, w, 4).Drain(t.Context())
	return s
}

// check compares what devices hold with what Intune knows.
func (w *world) check(t *testing.T, s *Store) {
	t.Helper()
	empty(t, s, tableJournal, tableJournalData, tableOutbox, tableOutboxData, tableUnreadable)
	for transaction := range w.issued {
		kinds := slices.Compact(w.intune.kinds(transaction)) // at least once
		revoked := slices.Contains(w.revoked, transaction)
		switch {
		case len(kinds) == 0:
			t.Errorf("%s: %s: Intune knows nothing", w.name, transaction)
		case w.holds[transaction] && (kinds[0] != KindSuccess || revoked):
			t.Errorf("%s: %s: the device holds a certificate, Intune heard %q, revoked: %v", w.name, transaction, kinds, revoked)
		case revoked && kinds[len(kinds)-1] != KindFailure:
			t.Errorf("%s: %s: the certificate is revoked, Intune heard %q", w.name, transaction, kinds)
		case !revoked && kinds[0] != KindSuccess:
			t.Errorf("%s: %s: the certificate is not revoked, Intune heard %q", w.name, transaction, kinds)
		case len(kinds) > 2:
			t.Errorf("%s: %s: Intune heard %q", w.name, transaction, kinds)
		}
	}
	for _, transaction := range []string{"strict", "queued", "refused", "undelivered"} {
		claim, issued, err := s.Begin(t.Context(), requestOf(transaction), soon(s))
		if err != nil || claim == nil && issued == nil {
			t.Errorf("%s: %s: beginning again: %v", w.name, transaction, err)
		}
	}
}

func TestACrashAtAnyWriteLosesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		db := open()
		writes := crashAt(t, db, 1_000_000, false)
		if writes < 20 {
			t.Fatalf("a life has %d writes only", writes)
		}
		var wg sync.WaitGroup
		running := make(chan struct{}, 8)
		for n := 1; n <= writes; n++ {
			for _, after := range []bool{false, true} {
				running <- struct{}{}
				wg.Go(func() {
					defer func() { <-running }()
					crashAt(t, db, n, after)
				})
			}
		}
		wg.Wait()
	})
}

// crashAt lets a process die at its n-th write, and its successor tidy up. It returns
// how often the first one has written.
func crashAt(t *testing.T, db Database, n int, after bool) int {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &world{
		name: fmt.Sprintf("crash at write %d, applied: %v", n, after), clock: newClock(),
		db:    &prefixed{Database: db, prefix: fmt.Sprintf("n%d%v_", n, after)},
		holds: map[string]bool{}, issued: map[string]bool{},
	}
	dying := &crashing{Database: w.db, left: n, after: after, crash: cancel}
	w.live(ctx, t, dying)
	w.check(t, w.recover(t))
	return dying.writes
}

// prefixed gives each life its own tables in one database.
type prefixed struct {
	Database
	prefix string
}

func (p *prefixed) table(name []byte) []byte { return append([]byte(p.prefix), name...) }

func (p *prefixed) CreateTable(table []byte) error { return p.Database.CreateTable(p.table(table)) }

func (p *prefixed) Get(table, key []byte) ([]byte, error) { return p.Database.Get(p.table(table), key) }

func (p *prefixed) List(table []byte) ([]*database.Entry, error) {
	return p.Database.List(p.table(table))
}

func (p *prefixed) Update(tx *database.Tx) error {
	for _, op := range tx.Operations {
		op.Bucket = p.table(op.Bucket)
	}
	return p.Database.Update(tx)
}
