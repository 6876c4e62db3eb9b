package intune

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// cache keeps one value that is costly to get. However many callers need it at
// once, one load runs, and none of them waits for it while the old value is
// still good.
type cache[T any] struct {
	load    func(context.Context) (*entry[T], error)
	timeout time.Duration // of one load
	log     *slog.Logger  // nil: none

	mu       sync.Mutex
	current  *entry[T]
	running  *flight[T]
	doubtful bool      // current may be bad: get a new one before it is used, if that is quick
	quiet    time.Time // no early renewal before this
}

// entry is a value with its times: from renew on a new one is fetched in the
// background, from expires on the value is not used any more.
type entry[T any] struct {
	value          T
	renew, expires time.Time
}

type flight[T any] struct {
	done  chan struct{}
	entry *entry[T]
	err   error
}

const (
	// renewalPause is the time between attempts at an early renewal.
	renewalPause = 30 * time.Second
	// doubtWait is how long a caller waits for the successor of a value that
	// may be bad.
	doubtWait = time.Second
)

// get returns the value, loading it when there is none that is still good.
func (c *cache[T]) get(ctx context.Context) (*entry[T], error) {
	c.mu.Lock()
	now := time.Now()
	good := c.current
	if good != nil && !now.Before(good.expires) {
		good = nil
	}
	doubtful := good != nil && c.doubtful
	due := good == nil || doubtful || !now.Before(good.renew) && !now.Before(c.quiet)
	if due && c.running == nil {
		c.start(ctx)
	}
	f := c.running
	c.mu.Unlock()
	switch {
	case doubtful:
		return f.waitOr(ctx, good)
	case good != nil:
		return good, nil
	}
	return f.wait(ctx)
}

// fresh loads a new value, or waits for the load that is running; the old one
// serves other callers meanwhile.
func (c *cache[T]) fresh(ctx context.Context) (*entry[T], error) {
	c.mu.Lock()
	if c.running == nil {
		c.start(ctx)
	}
	f := c.running
	c.mu.Unlock()
	return f.wait(ctx)
}

// after returns a successor of old, which was refused. Others go on using old
// until there is one.
func (c *cache[T]) after(ctx context.Context, old *entry[T]) (*entry[T], error) {
	c.mu.Lock()
	replaced := c.current != nil && c.current != old
	c.mu.Unlock()
	if old == nil || replaced {
		return c.get(ctx)
	}
	return c.fresh(ctx)
}

// drop forgets e, which proved bad, unless it has been replaced already.
func (c *cache[T]) drop(e *entry[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == e {
		c.current = nil
	}
}

// doubt makes callers look for a successor of e, which may be bad or not.
func (c *cache[T]) doubt(e *entry[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == e {
		c.doubtful = true
	}
}

// start begins a load for everybody: it outlives the caller that began it. The
// caller holds the lock.
func (c *cache[T]) start(ctx context.Context) {
	f := &flight[T]{done: make(chan struct{})}
	c.running = f
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	go func() {
		defer cancel()
		f.err = errLoadPanicked // unless it returns
		defer c.land(ctx, f)
		f.entry, f.err = c.load(ctx)
	}()
}

// errLoadPanicked stands for a panic below us, for instance in the driver of a
// key. Callers wait for the load in goroutines of their own, where they could
// not recover from it: without us it would end the process.
var errLoadPanicked = errors.New("the program failed inside, see its log")

// land ends a load, however it ended.
func (c *cache[T]) land(ctx context.Context, f *flight[T]) {
	if p := recover(); p != nil && c.log != nil {
		// The value may hold anything; the stack tells where it was.
		c.log.ErrorContext(ctx, "panic while asking Microsoft", "stack", string(debug.Stack()))
	}
	c.mu.Lock()
	if f.err == nil {
		c.current = f.entry
	} else {
		c.quiet = time.Now().Add(renewalPause)
	}
	c.doubtful = false
	c.running = nil
	c.mu.Unlock()
	close(f.done)
}

func (f *flight[T]) wait(ctx context.Context) (*entry[T], error) {
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// waitOr returns old when the load fails or takes long.
func (f *flight[T]) waitOr(ctx context.Context, old *entry[T]) (*entry[T], error) {
	ctx, cancel := context.WithTimeout(ctx, doubtWait)
	defer cancel()
	if e, err := f.wait(ctx); err == nil {
		return e, nil
	}
	return old, nil
}
