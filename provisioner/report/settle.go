package report

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settleGrace is what the database has to note an attempt that used up its caller's time.
const settleGrace = 3 * time.Second

// ErrUnsettled says that an earlier report of the transaction is still on its way to
// Intune.
var ErrUnsettled = errors.New("an earlier report of this transaction has not reached Intune yet")

// Settle delivers what the outbox still holds for a transaction, in order. Who sends a
// report past the outbox calls it before: a failure delivered after the success that
// followed it would make Intune list a working certificate as failed. The caller holds
// the claim of the request, so that no further report of it can be added meanwhile. A
// dead report stands in nobody's way. ErrUnsettled: one could not be delivered, or not
// before ctx was done.
func (s *Store) Settle(ctx context.Context, r Request, sender Sender) error {
	group := groupOf(r)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		waiting, err := s.pendingOf(ctx, group)
		if err != nil {
			return fmt.Errorf("looking for earlier reports of the transaction: %w", err)
		}
		if waiting == nil {
			return nil
		}
		if !waiting.leased(s.now()) {
			if err := s.settle(ctx, waiting, sender); err != nil {
				return err
			}
			continue
		}
		if err := s.sleep(ctx, s.jitter(pause)); err != nil {
			return fmt.Errorf("%w: %w", ErrUnsettled, err)
		}
	}
}

// settle makes one attempt. It returns nil when the report is out of the way, or when
// somebody else is at it.
func (s *Store) settle(ctx context.Context, q *queued, sender Sender) error {
	bound := leaseFor
	if deadline, ok := ctx.Deadline(); ok {
		bound = min(bound, deadline.Sub(s.now())+settleGrace)
	}
	res := s.attempt(ctx, sender, result{q: q}, false, bound)
	switch {
	case res.err == nil && !res.lost:
		s.log.Info("report delivered", append(attrs(q), "attempts", q.row.Attempts+1)...)
	case res.err != nil && !res.lost && q.row.State == stateDead:
		s.logDead(q)
	case res.err != nil:
		// Not to be taken for what Intune says about the caller's own call.
		return fmt.Errorf("%w: %v", ErrUnsettled, res.err)
	}
	return nil
}

// pendingOf returns the oldest pending report of a group, nil for none.
func (s *Store) pendingOf(ctx context.Context, group string) (*queued, error) {
	stirred, err := s.get(ctx, tableSlots, slotOf(group))
	if err != nil {
		return nil, err
	}
	if stirred == nil || s.slots.lack(group, stirred) {
		return nil, nil
	}
	g, err := s.glance(ctx)
	if err != nil {
		return nil, err
	}
	s.slots.note(group, stirred, g.pending)
	for _, q := range g.groups[group] {
		if q.row.State == statePending {
			return &q, nil // a copy: the glance is shared
		}
	}
	return nil, nil
}
