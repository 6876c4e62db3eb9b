package provisioner

import "sync"

// work counts what must end before step-ca's database may close: enrolments and the
// notifications that follow them.
type work struct {
	mu       sync.Mutex
	count    int
	stopping bool
	idle     chan struct{} // closed when count is 0 after stop
}

func newWork() *work { return &work{idle: make(chan struct{})} }

// begin counts one piece of work; false means that the CA is stopping.
func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
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
	if !w.stopping {
		w.stopping = true
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

// ends reports whether no new work may begin.
func (w *work) ends() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopping
}

func (w *work) closeIfIdle() {
	if !w.stopping || w.count > 0 {
		return
	}
	select {
	case <-w.idle:
	default:
		close(w.idle)
	}
}
