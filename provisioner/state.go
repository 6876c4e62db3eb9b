package provisioner

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

const (
	// stopTimeout bounds how long the database stays open for enrolments under way after
	// SIGTERM. step-ca ends every answer after 15 s.
	stopTimeout = 15 * time.Second
	// drainTimeout is what comes on top of it for reports that are due.
	drainTimeout = 3 * time.Second
)

// state is what belongs to a database rather than to a configuration: a reload hands it on
// to the new instance.
type state struct {
	store *report.Store
	work  *work
	log   *slog.Logger
	// lasting says that the store outlives the process.
	lasting bool
	// endings holds one for each end that waits for the database.
	endings chan struct{}

	mu       sync.Mutex
	delivery *report.Delivery
	by       *instance // whose delivery it is
	ended    bool
	stop     context.CancelFunc // of delivery's Run
	stopped  chan struct{}      // closed when it has returned

	// latest is the delivery that runs or ran last. halt may hold mu for seconds.
	latest atomic.Pointer[report.Delivery]
}

// openState opens the store in a database.
func openState(db report.Database, lasting bool, log *slog.Logger) (*state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	store, err := report.Open(ctx, db, log)
	if err != nil {
		return nil, fmt.Errorf("opening the reports in the database: %w", err)
	}
	return &state{store: store, work: newWork(), log: log, lasting: lasting, endings: make(chan struct{}, maxEndings)}, nil
}

// deliverFirst lets an instance deliver the reports if nobody does so yet. After a reload the
// instance before goes on until the new one serves its first request: the reload may still
// fail.
func (s *state) deliverFirst(i *instance) {
	s.mu.Lock()
	running := s.delivery != nil
	s.mu.Unlock()
	if !running {
		s.deliver(i)
	}
}

// deliver lets an instance deliver the reports from now on, instead of the one that did.
func (s *state) deliver(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt()
	if s.ended {
		return
	}
	d := report.NewDelivery(s.store, i, i, i.parallel())
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	s.delivery, s.by, s.stop, s.stopped = d, i, cancel, stopped
	s.latest.Store(d)
	go func() {
		defer close(stopped)
		d.Run(ctx)
	}()
}

// halt ends the delivery and returns it, nil when none was running. The caller holds mu.
func (s *state) halt() *report.Delivery {
	d := s.delivery
	if d == nil {
		return nil
	}
	s.stop()
	<-s.stopped
	s.delivery, s.by = nil, nil
	return d
}

// deliveredBy reports whether the reports are delivered by an instance.
func (s *state) deliveredBy(i *instance) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by == i
}

// end waits for the enrolments under way, delivers what it can and keeps the rest. New
// enrolments are refused from now on.
func (s *state) end() {
	select {
	case <-s.work.stop():
	case <-time.After(stopTimeout):
		s.log.Error("stopping while enrolments are still under way")
	}
	s.mu.Lock()
	d := s.halt()
	s.ended = true
	s.mu.Unlock()
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	d.Drain(ctx)
	if !s.lasting {
		s.logLost(ctx)
	}
}

// logLost names the reports that end with the process, for want of a database.
func (s *state) logLost(ctx context.Context) {
	lost, err := s.store.Reports(context.WithoutCancel(ctx))
	if err != nil {
		s.log.Error("reading the reports that are lost", "err", err)
	}
	for _, r := range lost {
		s.log.Error("report lost: there is no database to keep it", "provisioner", r.Provisioner, "transaction", r.Transaction, "kind", r.Kind, "attempts", r.Attempts, "err", r.Error)
	}
}
