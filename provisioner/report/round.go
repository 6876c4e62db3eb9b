package report

import (
	"context"
	"slices"
	"time"
)

// round is one Run or Drain: a loop that owns all of its fields.
type round struct {
	*Delivery
	draining bool
	grace    time.Duration

	waiting   []*queued          // what may be sent, in order of creation
	groups    map[string]int     // how many reports of a group are not delivered
	flying    map[string]*queued // by id
	delivered map[string]bool    // accepted, although their rows are still there
	last      map[string]queued  // the outbox as it was read
	results   chan result
	scanAt    time.Time     // when to read the outbox next
	stale     bool          // the outbox is not as it was read
	quiet     time.Duration // how long not to read the outbox again
}

func newRound(d *Delivery, grace time.Duration) *round {
	return &round{
		Delivery: d, grace: grace,
		flying: map[string]*queued{}, delivered: map[string]bool{},
		results: make(chan result), scanAt: d.store.now(), stale: true,
	}
}

// run ends when ctx is done, or when there is nothing more to drain, and nothing is under
// way.
func (r *round) run(ctx context.Context) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for ctx.Err() == nil {
		if !r.store.now().Before(r.scanAt) {
			r.scan(ctx)
		}
		next := r.dispatch(sending)
		if r.draining && !r.stale && len(r.flying) == 0 && next.IsZero() {
			return
		}
		r.wait(ctx, next)
	}
	stop := time.AfterFunc(r.grace, cancel)
	defer stop.Stop()
	for len(r.flying) > 0 {
		r.settle(<-r.results)
	}
}

// wait returns when there may be something to do.
func (r *round) wait(ctx context.Context, next time.Time) {
	if next.IsZero() || r.scanAt.Before(next) {
		next = r.scanAt
	}
	timer := time.NewTimer(next.Sub(r.store.now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-r.store.wake:
		r.scanSoon()
	case res := <-r.results:
		r.settle(res)
	}
}

// scanSoon reads the outbox as soon as the last time allows.
func (r *round) scanSoon() {
	r.stale = true
	if soon := r.store.now().Add(r.quiet); soon.Before(r.scanAt) {
		r.scanAt = soon
	}
}

// scan reads the outbox.
func (r *round) scan(ctx context.Context) {
	begin := r.store.now()
	reading, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	all, err := r.store.readOutbox(reading, r.last)
	now := r.store.now()
	// A large outbox must not keep the database busy.
	large := time.Duration(len(all)) * 5 * time.Millisecond
	r.quiet = min(max(20*now.Sub(begin), 50*time.Millisecond), slowestPoll)
	r.scanAt = now.Add(r.store.jitter(min(max(pollEvery, r.quiet, large), slowestPoll)))
	if err != nil {
		if ctx.Err() == nil {
			r.log.Error("reading the outbox failed", "err", err)
		}
		return
	}
	r.stale = false
	r.last = make(map[string]queued, len(all))
	for _, q := range all {
		r.last[q.id] = *q
	}
	r.mu.Lock()
	r.snapshot = snapshotOf(all, now)
	r.mu.Unlock()
	if r.sort(ctx, all, now); r.stuck(now) {
		r.scanAt = now.Add(r.store.jitter(slowestPoll))
	}
}

// stuck reports whether all that waits is for provisioners that are failing.
func (r *round) stuck(now time.Time) bool {
	return len(r.waiting) > 0 && !slices.ContainsFunc(r.waiting, func(q *queued) bool {
		return r.breaker(q.row.Provisioner).admits(now)
	})
}

// sort finds what may be sent: of each group the oldest, since reports about one
// transaction have an order. A dead one stands in nobody's way.
func (r *round) sort(ctx context.Context, all []*queued, now time.Time) {
	r.waiting, r.groups = nil, map[string]int{}
	for _, q := range all {
		if q.row.State != statePending {
			continue
		}
		if r.outlived(ctx, q, now) {
			continue
		}
		if r.groups[q.row.Group]++; r.groups[q.row.Group] > 1 || r.flying[q.id] != nil {
			continue
		}
		r.waiting = append(r.waiting, q)
	}
}

// outlived gives up a report that is too old while its provisioner is known to fail.
// Without that knowledge the report gets one more attempt.
func (r *round) outlived(ctx context.Context, q *queued, now time.Time) bool {
	b := r.breakers[q.row.Provisioner]
	if b == nil || b.failures <= tolerated || now.Sub(q.row.Since.time()) < deadAfter || q.leased(now) {
		return false
	}
	row := q.row
	row.State = stateDead
	if row.Error == "" {
		row.Error = "not tried: the provisioner's reports have been failing"
	}
	if done, err := r.store.replace(ctx, q, row); err != nil || !done {
		return false
	}
	r.store.logDead(q)
	return true
}

// dispatch sends what is due and returns when there may be more, zero if nothing waits.
func (r *round) dispatch(ctx context.Context) (next time.Time) {
	now := r.store.now()
	kept, probes := r.waiting[:0], r.probes(now)
	for i, q := range r.waiting {
		due, ready := r.due(q, now)
		if probe := probes[q.row.Provisioner]; !ready || probe != nil && probe != q {
			kept = append(kept, q)
			continue
		}
		if !due.After(now) {
			if len(r.flying) >= r.parallel {
				kept = append(kept, r.waiting[i:]...)
				break
			}
			due = r.sentAt.Add(spacing)
		}
		if due.After(now) {
			kept = append(kept, q)
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		r.sentAt = now
		r.fly(ctx, q)
	}
	clear(r.waiting[len(kept):])
	r.waiting = kept
	return next
}

// probes picks for each failing provisioner the report that tries next: the one that has
// tried least, since the service may be back and only refuse this or that report.
func (r *round) probes(now time.Time) map[string]*queued {
	var probes map[string]*queued
	for _, q := range r.waiting {
		if !r.breaker(q.row.Provisioner).open() {
			continue
		}
		if due, ready := r.due(q, now); !ready || due.After(now) {
			continue
		}
		if best := probes[q.row.Provisioner]; best != nil && best.row.Attempts <= q.row.Attempts {
			continue
		}
		if probes == nil {
			probes = map[string]*queued{}
		}
		probes[q.row.Provisioner] = q
	}
	return probes
}

// due returns when a report may be sent; false means that something else has to happen
// before.
func (r *round) due(q *queued, now time.Time) (time.Time, bool) {
	due := q.row.Next.time()
	if q.row.Owner != "" {
		due = later(due, q.row.Until.time())
	}
	if r.draining && due.After(now) {
		return due, false
	}
	b := r.breaker(q.row.Provisioner)
	if b.admits(now) {
		return due, true
	}
	if b.probing || r.draining {
		return due, false
	}
	return later(due, b.until), true
}
