package intune

import (
	"context"
	"sync"
	"time"
)

// cache keeps one value that is costly to get. However many callers need it at
// once, one load runs, and none of them waits for it while the old value is
// still good.
type cache[T any] struct {
	load    func(context.Context) (*entry[T], error)
	timeout time.Duration // of one load

	mu      sync.Mutex
	current *entry[T]
	running *flight[T]
	quiet   time.Time // no early renewal before this
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

// renewalPause is the time between attempts at an early renewal.
const renewalPause = 30 * time.Second

// get returns the value, loading it when there is none that is still good.
func (c *cache[T]) get(ctx context.Context) (*entry[T], error) {
	c.mu.Lock()
	now := time.Now()
	good := c.current
	if good != nil && !now.Before(good.expires) {
		good = nil
	}
	due := good == nil || !now.Before(good.renew) && !now.Before(c.quiet)
	if due && c.running == nil {
		c.start(ctx)
	}
	f := c.running
	c.mu.Unlock()
	if good != nil {
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

// drop forgets e, which proved bad, unless it has been replaced already.
func (c *cache[T]) drop(e *entry[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == e {
		c.current = nil
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
		f.entry, f.err = c.load(ctx)
		c.mu.Lock()
		if f.err == nil {
			c.current = f.entry
		} else {
			c.quiet = time.Now().Add(renewalPause)
		}
		c.running = nil
		c.mu.Unlock()
		close(f.done)
	}()
}

func (f *flight[T]) wait(ctx context.Context) (*entry[T], error) {
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
