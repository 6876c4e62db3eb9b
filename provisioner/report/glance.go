package report

import (
	"context"
	"sync"
)

// glances lets all who want to see the outbox at the same moment share one reading of it:
// however many requests there are, no more than one reads at a time.
type glances struct {
	mu   sync.Mutex
	next *glance // not begun yet, nil for none

	turn chan struct{} // holds one while somebody reads
	last map[string]queued
}

type glance struct {
	done    chan struct{}
	groups  map[string][]queued // each in the order of ids
	pending map[string][]string // by slot, the groups that have a pending report
	err     error
}

// glance returns the outbox as of a moment after the call.
func (s *Store) glance(ctx context.Context) (*glance, error) {
	g := s.glances.join(func(g *glance) { s.look(g) })
	select {
	case <-g.done:
		return g, g.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join returns a reading that has not begun.
func (all *glances) join(begin func(*glance)) *glance {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.next == nil {
		all.next = &glance{done: make(chan struct{})}
		go begin(all.next)
	}
	return all.next
}

// look reads the outbox. It depends on nobody who waits for it.
func (s *Store) look(g *glance) {
	all := &s.glances
	all.turn <- struct{}{}
	defer func() { <-all.turn }()
	defer close(g.done)
	all.mu.Lock()
	all.next = nil
	all.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	rows, err := s.readOutbox(ctx, all.last)
	if err != nil {
		g.err = err
		return
	}
	all.last = make(map[string]queued, len(rows))
	g.groups, g.pending = map[string][]queued{}, map[string][]string{}
	for _, q := range rows {
		all.last[q.id] = *q
		group := q.row.Group
		g.groups[group] = append(g.groups[group], *q)
		if q.row.State == statePending {
			g.pending[slotOf(group)] = append(g.pending[slotOf(group)], group)
		}
	}
}
