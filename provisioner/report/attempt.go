package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// result is what an attempt has come to.
type result struct {
	q    *queued
	held bool // the provisioner was failing before
	sent bool // the sender was asked
	lost bool // somebody else has the report, or it is gone
	err  error
}

// fly starts an attempt. Its result comes to settle.
func (r *round) fly(ctx context.Context, q *queued) {
	r.flying[q.id] = q
	b := r.breaker(q.row.Provisioner)
	res, delivered := result{q: q, held: b.open()}, r.delivered[q.id]
	b.sent()
	go func() { r.results <- r.store.attempt(ctx, r.sender, res, delivered, leaseFor) }()
}

// attempt sends one report, if nobody else does, and writes down what came of it.
func (s *Store) attempt(ctx context.Context, sender Sender, res result, delivered bool, bound time.Duration) result {
	q := res.q
	// The database is told also when the delivery has to stop.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	begin := s.now()
	if mine, err := s.lease(writing, q); err != nil || !mine {
		return result{q: q, lost: true, err: err}
	}
	report, err := s.readReport(writing, q)
	if err != nil || report == nil {
		return result{q: q, lost: true, err: err}
	}
	switch {
	case delivered:
	case s.now().Sub(begin) > leaseFor-2*sendTimeout:
		// The database was so slow that the lease might end before the attempt does.
		res.err = context.Canceled
	default:
		res.sent = true
		res.err = send(ctx, sender, *report)
	}
	return s.record(writing, ctx, res)
}

// send asks the sender.
func send(ctx context.Context, sender Sender, report Report) (err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return sender.Send(ctx, report)
}

// record writes the outcome of an attempt into the outbox.
func (s *Store) record(ctx, sending context.Context, res result) result {
	q, row := res.q, res.q.row
	now := s.now()
	switch err := res.err; {
	case err == nil:
		if err := s.remove(ctx, q.id); err != nil {
			s.log.Error("removing a delivered report failed", "report", q.id, "err", err)
			return result{q: q, sent: res.sent, lost: true}
		}
		return res
	case sending.Err() != nil && !errors.Is(err, intune.ErrRefused):
		res.sent, res.err = false, context.Canceled
	case errors.Is(err, ErrUnknownProvisioner), !res.sent:
		// Nothing was learnt about the report.
	default:
		row.Attempts++
		row.Error = clip(err.Error(), 240)
		row.Next = at(now.Add(max(s.retryPause(row.Attempts), retryAfter(err))))
		if res.held && affectsAll(err) {
			// Not the report's fault: it is due with all the others when the outage ends.
			row.Next = at(now.Add(firstRetry))
		}
		if errors.Is(err, intune.ErrRefused) || now.Sub(row.Since.time()) >= deadAfter {
			row.State = stateDead
		}
	}
	if err := s.giveBack(ctx, q, row); err != nil {
		s.log.Error("writing down an attempt failed", "report", q.id, "err", err)
	}
	return res
}

// retryPause grows with each attempt.
func (s *Store) retryPause(attempts int) time.Duration {
	return s.jitter(min(2*firstRetry<<min(attempts-1, 20), slowestRetry))
}

// settle draws the loop's conclusions from an attempt.
func (r *round) settle(res result) {
	q, b, now := res.q, r.breaker(res.q.row.Provisioner), r.store.now()
	delete(r.flying, q.id)
	switch {
	case res.lost && res.sent && res.err == nil:
		r.delivered[q.id] = true
		b.succeeded()
	case res.lost, !res.sent && res.err != nil:
		b.neutral()
		if res.err != nil && !errors.Is(res.err, context.Canceled) {
			// The database fails: wait for the next poll.
			r.log.Error("preparing a report for delivery failed", "report", q.id, "err", res.err)
			return
		}
	case res.err == nil:
		delete(r.delivered, q.id)
		b.succeeded()
		r.log.Info("report delivered", append(attrs(q), "attempts", q.row.Attempts+1)...)
	case errors.Is(res.err, ErrUnknownProvisioner):
		b.hold(now.Add(r.store.jitter(strangerPause)))
	case affectsAll(res.err):
		b.failed(now, retryAfter(res.err), r.store.jitter)
		r.logFailed(res)
	default:
		b.neutral()
		r.logFailed(res)
	}
	r.scanSoon()
}

func (r *round) logFailed(res result) {
	if res.q.row.State == stateDead {
		r.store.logDead(res.q)
		return
	}
	r.log.Warn("report not delivered", append(attrs(res.q), "attempts", res.q.row.Attempts, "next", res.q.row.Next.time(), "err", res.err)...)
}

func (s *Store) logDead(q *queued) {
	s.log.Error("report is dead: retry or drop it", append(attrs(q), "attempts", q.row.Attempts, "err", q.row.Error)...)
}

func attrs(q *queued) []any {
	return []any{"report", q.id, "provisioner", q.row.Provisioner, "transaction", q.row.Transaction, "kind", string(q.row.Kind)}
}
