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
	done   chan struct{}
	groups map[string][]queued // each in the order of ids
	err    error
}

// glance returns the reports by group, as of a moment after the call.
func (s *Store) glance(ctx context.Context) (map[string][]queued, error) {
	g := s.glances.join(func(g *glance) { s.look(g) })
	select {
	case <-g.done:
		return g.groups, g.err
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
	all.last, g.groups = make(map[string]queued, len(rows)), map[string][]queued{}
	for _, q := range rows {
		all.last[q.id] = *q
		g.groups[q.row.Group] = append(g.groups[q.row.Group], *q)
	}
}
