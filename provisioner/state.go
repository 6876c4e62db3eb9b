package provisioner

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

const (
	// stopTimeout bounds how long the database stays open after SIGTERM. step-ca ends every
	// answer after 15 s.
	stopTimeout = 15 * time.Second
	// drainTimeout is what of it is left for reports that are due.
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

	mu       sync.Mutex
	delivery *report.Delivery
	stop     context.CancelFunc // of delivery's Run
	stopped  chan struct{}      // closed when it has returned
}

// openState opens the store in a database.
func openState(db report.Database, lasting bool, log *slog.Logger) (*state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	store, err := report.Open(ctx, db, log)
	if err != nil {
		return nil, fmt.Errorf("opening the reports in the database: %w", err)
	}
	return &state{store: store, work: newWork(), log: log, lasting: lasting}, nil
}

// deliver lets an instance deliver the reports from now on, instead of the one that did.
func (s *state) deliver(i *instance) {
	s.halt()
	s.mu.Lock()
	defer s.mu.Unlock()
	d := report.NewDelivery(s.store, i, i, i.parallel())
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	s.delivery, s.stop, s.stopped = d, cancel, stopped
	go func() {
		defer close(stopped)
		d.Run(ctx)
	}()
}

// halt ends the delivery and returns it, nil when none was running.
func (s *state) halt() *report.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.delivery
	if d == nil {
		return nil
	}
	s.stop()
	<-s.stopped
	s.delivery = nil
	return d
}

// end waits for the enrolments under way, delivers what it can and keeps the rest. New
// enrolments are refused from now on.
func (s *state) end() {
	begin := time.Now()
	select {
	case <-s.work.stop():
	case <-time.After(stopTimeout - drainTimeout):
		s.log.Error("stopping while enrolments are still under way")
	}
	d := s.halt()
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(drainTimeout, stopTimeout-time.Since(begin)))
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
