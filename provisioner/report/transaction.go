package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smallstep/nosql/database"
)

// commitAttempts bounds how often a transaction is tried. badger answers with a conflict
// when two transactions meet, MySQL with a deadlock; both are cured by another attempt.
const commitAttempts = 12

var (
	// errMissing says that a row that a transaction relies on is not there.
	errMissing = errors.New("the row is gone")
	errNoLocks = errors.New("the rows that lock requests are gone from table " + tableRequests + ": restart the CA")
)

// transaction is a sequence of operations that happen together or not at all. nosql knows
// no condition that stops a transaction but one: reading a row that is not there.
type transaction struct {
	tx    database.Tx
	locks []*database.TxEntry
}

func (t *transaction) add(e *database.TxEntry) *database.TxEntry {
	t.tx.Operations = append(t.tx.Operations, e)
	return e
}

// lock makes other transactions with the same lock wait for this one, or fail. It has to
// come first: MySQL's snapshot begins with the first plain read.
func (t *transaction) lock(key string) {
	t.locks = append(t.locks, t.swap(tableRequests, lockOf(key), lockValue, lockValue))
}

// need undoes the transaction unless the row exists.
func (t *transaction) need(table, key string) {
	t.add(&database.TxEntry{Cmd: database.Get, Bucket: []byte(table), Key: []byte(key)})
}

func (t *transaction) set(table, key string, value []byte) {
	t.add(&database.TxEntry{Cmd: database.Set, Bucket: []byte(table), Key: []byte(key), Value: value})
}

func (t *transaction) del(table, key string) {
	t.add(&database.TxEntry{Cmd: database.Delete, Bucket: []byte(table), Key: []byte(key)})
}

// swap sets a row that has the value old; nil stands for no row. When it has another
// value, the row stays and the rest of the transaction happens nevertheless. Without a
// lock it is atomic for existing rows only.
func (t *transaction) swap(table, key string, old, value []byte) *database.TxEntry {
	return t.add(&database.TxEntry{Cmd: database.CmpAndSwap, Bucket: []byte(table), Key: []byte(key), CmpValue: old, Value: value})
}

// commit runs a transaction, again after a passing error. After an error other than
// errMissing it is unknown whether the transaction happened; after errMissing, too, if an
// earlier attempt had failed.
func (s *Store) commit(ctx context.Context, build func(*transaction)) error {
	var err error
	for attempt := range commitAttempts {
		if attempt > 0 {
			if s.sleep(ctx, s.jitter(min(time.Millisecond<<attempt, 200*time.Millisecond))) != nil {
				break
			}
		}
		t := &transaction{}
		build(t)
		err = s.call(ctx, func() error { return s.db.Update(&t.tx) })
		if err == nil {
			for _, l := range t.locks {
				if !l.Swapped {
					return errNoLocks
				}
			}
			return nil
		}
		if database.IsErrNotFound(err) {
			return errMissing
		}
	}
	return fmt.Errorf("writing to the database: %w", err)
}

// get reads a row; nil means that there is none.
func (s *Store) get(ctx context.Context, table, key string) (value []byte, err error) {
	var read []byte
	err = s.call(ctx, func() (err error) {
		read, err = s.db.Get([]byte(table), []byte(key))
		return err
	})
	switch {
	case err == nil && read == nil:
		return []byte{}, nil
	case err == nil:
		return read, nil
	case database.IsErrNotFound(err):
		return nil, nil
	}
	return nil, fmt.Errorf("reading from the database: %w", err)
}

// list reads a whole table.
func (s *Store) list(ctx context.Context, table string) (entries []*database.Entry, err error) {
	var read []*database.Entry
	err = s.call(ctx, func() (err error) {
		read, err = s.db.List([]byte(table))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing table %s: %w", table, err)
	}
	return read, nil
}

// call runs one operation of the database, which knows no context: when ctx ends first,
// nobody waits for it any longer and what it does is unknown. badger panics when it is
// used after it was closed.
func (s *Store) call(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.calls <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.calls }()
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("panic: %v", r)
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sleep waits for d or until ctx is done.
func (s *Store) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jitter returns between half and all of d.
func (s *Store) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(s.random()*float64(d/2))
}
