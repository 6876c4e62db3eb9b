package report

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxPerSecond bounds the reports sent in a second, by one process in all.
	maxPerSecond = 50
	// spacing keeps a little below that: what is sent at even distances arrives less so.
	spacing = time.Second / (maxPerSecond - 5)
	// sendTimeout bounds one attempt. It ends well within the lease.
	sendTimeout = 10 * time.Second
	// stopGrace is how long what is under way may take after Run was told to stop.
	stopGrace = 5 * time.Second
	// pollEvery is how often the outbox is read for what others have added.
	pollEvery = 5 * time.Second
	// slowestPoll is how seldom it is read when it is large.
	slowestPoll = 20 * time.Second
	// sweepEvery is how often the journal is read.
	sweepEvery = 10 * time.Second
	// cleanEvery is how often requests of stores that are gone are looked for.
	cleanEvery = time.Hour

	// firstRetry, slowestRetry: how long a report waits after its first failure, and at
	// most.
	firstRetry   = time.Second
	slowestRetry = 15 * time.Minute
	// throttlePause is how long to wait for a service that did not say.
	throttlePause = 10 * time.Second
	// longestThrottle is the longest wish of the service that is heeded.
	longestThrottle = time.Hour
	// strangerPause is how long to wait for a provisioner that is not there.
	strangerPause = time.Minute
	// deadAfter is how long a report is tried.
	deadAfter = 72 * time.Hour
)

// ErrUnknownProvisioner is what a Sender returns for a report of a provisioner that it
// does not have. The report stays, for another replica or a later configuration.
var ErrUnknownProvisioner = errors.New("there is no such provisioner")

// Sender sends one notification to Intune. An error under intune.ErrRefused is final.
// What others say about an attempt goes to the log and to people: it must hold no secret.
type Sender interface {
	Send(ctx context.Context, r Report) error
}

// Delivery sends what is in the outbox and sweeps the journal.
type Delivery struct {
	store    *Store
	sender   Sender
	orphans  Orphans
	parallel int
	log      *slog.Logger

	breakers map[string]*breaker // by provisioner; of the loop
	sentAt   time.Time           // the last one; of the loop

	mu       sync.Mutex
	snapshot Snapshot
}

// NewDelivery returns a delivery that sends at most parallel reports at once.
func NewDelivery(s *Store, sender Sender, orphans Orphans, parallel int) *Delivery {
	return &Delivery{
		store: s, sender: sender, orphans: orphans, parallel: max(parallel, 1), log: s.log,
		breakers: map[string]*breaker{},
	}
}

// Run delivers until ctx is done, and returns when nothing of it is under way any more:
// 5 s later at most, unless the database hangs. One Run at a time serves a Store.
func (d *Delivery) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() {
		d.every(ctx, sweepEvery, "reading the journal", func() error { return d.store.sweep(ctx, d.orphans) })
	})
	wg.Go(func() {
		d.every(ctx, sweepEvery, "removing requests", func() error { return d.store.removeExpired(ctx) })
	})
	wg.Go(func() {
		d.every(ctx, cleanEvery, "removing old requests", func() error { return d.store.removeLeftovers(ctx) })
	})
	newRound(d, stopGrace).run(ctx)
	wg.Wait()
}

// Drain delivers what is due until there is no more or ctx is done, and keeps the rest.
// Call it after Run has returned.
func (d *Delivery) Drain(ctx context.Context) {
	r := newRound(d, 0)
	r.draining = true
	r.run(ctx)
}

// Snapshot returns the outbox in figures, as of the last time that Run has read it.
func (d *Delivery) Snapshot() Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.snapshot
}

// every calls f at once and then again and again.
func (d *Delivery) every(ctx context.Context, period time.Duration, doing string, f func() error) {
	for {
		if err := f(); err != nil && ctx.Err() == nil {
			d.log.Error(doing+" failed", "err", err)
		}
		if d.store.sleep(ctx, d.store.jitter(period)) != nil {
			return
		}
	}
}

func (d *Delivery) breaker(provisioner string) *breaker {
	b := d.breakers[provisioner]
	if b == nil {
		b = &breaker{}
		d.breakers[provisioner] = b
	}
	return b
}
