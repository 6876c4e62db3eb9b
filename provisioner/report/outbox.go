package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smallstep/nosql/database"
)

// leaseFor is how long a replica has a report for one attempt. When it dies, another one
// takes over after that. Clocks of replicas may differ by less.
const leaseFor = 30 * time.Second

var (
	// ErrNotFound: there is no such report, or no longer.
	ErrNotFound = errors.New("there is no such report")
	// ErrSending: the report is being sent now.
	ErrSending = errors.New("the report is being sent")
)

// queued is a report's row as it was read or written last.
type queued struct {
	id    string
	row   outboxRow
	value []byte
}

// leased reports whether somebody sends the report now.
func (q *queued) leased(now time.Time) bool {
	return q.row.Owner != "" && now.Before(q.row.Until.time())
}

// readOutbox returns all reports in the order of their ids. Those that are as they were
// the last time need not be decoded again; nil for no last time.
func (s *Store) readOutbox(ctx context.Context, last map[string]queued) ([]*queued, error) {
	entries, err := s.list(ctx, tableOutbox)
	if err != nil {
		return nil, err
	}
	all := make([]*queued, 0, len(entries))
	for _, e := range entries {
		q := &queued{id: string(e.Key), value: e.Value}
		if l, ok := last[q.id]; ok && bytes.Equal(l.value, q.value) {
			q.row = l.row
		} else if !s.read(ctx, tableOutbox, q.id, e.Value, &q.row) {
			continue
		}
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b *queued) int { return strings.Compare(a.id, b.id) })
	return all, nil
}

// replace writes a report's row if it is still as q has it, and reports whether it was.
// The row exists, so that this is atomic on every database. What extra adds happens whether
// it was or not.
func (s *Store) replace(ctx context.Context, q *queued, row outboxRow, extra ...func(*transaction)) (bool, error) {
	value, err := encode(&row)
	if err != nil {
		return false, err
	}
	var entry *database.TxEntry
	err = s.commit(ctx, func(t *transaction) {
		entry = t.swap(tableOutbox, q.id, q.value, value)
		for _, add := range extra {
			add(t)
		}
	})
	if err != nil {
		return false, err
	}
	if !entry.Swapped && string(entry.Result) != string(value) {
		return false, nil
	}
	q.row, q.value = row, value
	return true, nil
}

// lease takes a report for one attempt; false means that somebody else has it.
func (s *Store) lease(ctx context.Context, q *queued) (bool, error) {
	row := q.row
	row.Owner, row.Until = s.owner+newToken(), at(s.now().Add(leaseFor))
	return s.replace(ctx, q, row)
}

// giveBack ends a lease with another row.
func (s *Store) giveBack(ctx context.Context, q *queued, row outboxRow) error {
	row.Owner, row.Until = "", 0
	_, err := s.replace(ctx, q, row)
	return err
}

// remove ends a report.
func (s *Store) remove(ctx context.Context, id string) error {
	return s.commit(ctx, func(t *transaction) {
		t.del(tableOutbox, id)
		t.del(tableOutboxData, id)
	})
}

// readReport returns what to send; nil means that it is gone or unreadable, and the
// report with it.
func (s *Store) readReport(ctx context.Context, q *queued) (*Report, error) {
	value, err := s.get(ctx, tableOutboxData, q.id)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if value != nil && s.read(ctx, tableOutboxData, q.id, value, r) {
		return r, nil
	}
	current, err := s.get(ctx, tableOutbox, q.id)
	if err != nil || current == nil {
		return nil, err
	}
	s.setAside(ctx, tableOutbox, q.id, current, errors.New("its certificate request is missing or unreadable"))
	return nil, nil
}

// Retry makes a report, dead or pending, due now and gives it another 72 hours.
func (s *Store) Retry(ctx context.Context, id string) error {
	q, err := s.find(ctx, id)
	if err != nil {
		return fmt.Errorf("retrying report %q: %w", id, err)
	}
	row, now := q.row, at(s.now())
	row.State, row.Since, row.Next, row.Attempts = statePending, now, now, 0
	row.Owner, row.Until = "", 0
	done, err := s.replace(ctx, q, row, func(t *transaction) { t.stir(row.Group) })
	if err == nil && !done {
		err = ErrSending
	}
	if err != nil {
		return fmt.Errorf("retrying report %q: %w", id, err)
	}
	s.wakeUp()
	return nil
}

// Drop removes a report, dead or pending, for good: Intune will not hear of it.
func (s *Store) Drop(ctx context.Context, id string) error {
	_, err := s.find(ctx, id)
	if err == nil {
		err = s.remove(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("dropping report %q: %w", id, err)
	}
	return nil
}

func (s *Store) find(ctx context.Context, id string) (*queued, error) {
	if id == "" || len(id) > maxKey {
		return nil, ErrNotFound
	}
	value, err := s.get(ctx, tableOutbox, id)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, ErrNotFound
	}
	q := &queued{id: id, value: value}
	if err := decode(value, &q.row); err != nil {
		return nil, err
	}
	if q.leased(s.now()) {
		return nil, ErrSending
	}
	return q, nil
}
