package report

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// lockSlots is how many rows lock requests: the first byte of a request's key picks one.
// They are never removed and their value never changes. Each stands before the requests
// that it locks, in their table: whoever adds a row on MySQL locks the gap between its
// neighbours, and two who have locked the same gap are a deadlock.
const lockSlots = 256

var lockValue = []byte("lock")

// maxCalls bounds the operations that one store has under way in the database: nosql
// opens a connection for each, and PostgreSQL has 100 by default.
const maxCalls = 16

// Store is what the CA remembers of its requests and reports, in a database that several
// replicas may share. All methods may be called at once.
type Store struct {
	db     Database
	log    *slog.Logger
	now    func() time.Time
	random func() float64 // from 0 to 1
	owner  string         // names this store in leases
	wake   chan struct{}  // a report was added
	calls  chan struct{}  // one for each operation under way

	mu     sync.Mutex
	lastID int64
	expiry []expiry // issued requests of this store, the oldest first
	strange
	glances glances
	slots   slots
}

// Open prepares the tables in db. A nil log discards.
func Open(ctx context.Context, db Database, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		db: db, log: log, now: time.Now, random: mathrand.Float64,
		owner: newToken(), wake: make(chan struct{}, 1), calls: make(chan struct{}, maxCalls),
		glances: glances{turn: make(chan struct{}, 1)},
	}
	for _, table := range tables() {
		// Of replicas that create a table at once PostgreSQL tells all but one that it failed.
		created := s.call(ctx, func() error { return db.CreateTable([]byte(table)) })
		if created == nil {
			continue
		}
		if _, err := s.list(ctx, table); err != nil {
			return nil, fmt.Errorf("creating table %s: %w", table, errors.Join(created, err))
		}
	}
	if err := s.createLocks(ctx); err != nil {
		return nil, fmt.Errorf("creating the rows that lock requests: %w", err)
	}
	return s, nil
}

// createLocks adds the rows that are missing. All replicas write the same value.
func (s *Store) createLocks(ctx context.Context) error {
	entries, err := s.list(ctx, tableRequests)
	if err != nil {
		return err
	}
	exists := map[string]bool{}
	for _, e := range entries {
		exists[string(e.Key)] = string(e.Value) == string(lockValue)
	}
	return s.commit(ctx, func(t *transaction) {
		for i := range lockSlots {
			if key := hex.EncodeToString([]byte{byte(i)}); !exists[key] {
				t.set(tableRequests, key, lockValue)
			}
		}
	})
}

// lockOf returns the lock of a request's key, which is in hexadecimal.
func lockOf(key string) string { return key[:2] }

// newToken returns a name that nobody else chooses.
func newToken() string {
	b := make([]byte, 8)
	rand.Read(b) //nolint:errcheck // never fails
	return hex.EncodeToString(b)
}

// newID returns the id of a report. Ids of one store grow; those of several do within the
// accuracy of their clocks.
func (s *Store) newID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID = max(s.lastID+1, s.now().UnixNano())
	return fmt.Sprintf("%016x%s", s.lastID, newToken()[:8])
}

// wakeUp tells the delivery that there is something new.
func (s *Store) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
