package provisioner

import (
	"sync"
	"time"
)

// work counts what must end before step-ca's database may close: enrolments and the
// notifications that follow them.
type work struct {
	mu      sync.Mutex
	count   int
	stopped chan struct{} // closed by stop
	idle    chan struct{} // closed when count is 0 after stop
}

func newWork() *work {
	return &work{stopped: make(chan struct{}), idle: make(chan struct{})}
}

// stopping reports whether no new work may begin.
func (w *work) stopping() bool {
	select {
	case <-w.stopped:
		return true
	default:
		return false
	}
}

// wait sleeps for d, or until the CA stops, and reports whether it does.
func (w *work) wait(d time.Duration) (stopping bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.stopped:
		return true
	case <-timer.C:
		return false
	}
}

// begin counts one piece of work; false means that the CA is stopping.
func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping() {
		return false
	}
	w.count++
	return true
}

// end takes one piece of work off the count.
func (w *work) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count--
	w.closeIfIdle()
}

// stop lets no new work begin and returns a channel that is closed when all has ended.
func (w *work) stop() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopping() {
		close(w.stopped)
		w.closeIfIdle()
	}
	return w.idle
}

// underWay returns how much work has not ended.
func (w *work) underWay() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *work) closeIfIdle() {
	if !w.stopping() || w.count > 0 {
		return
	}
	select {
	case <-w.idle:
	default:
		close(w.idle)
	}
}
