package intune

import (
	"context"
	"sync"
	"time"
)

// gate holds up all callers of one service after it answered 429, so that they
// slow down together instead of each finding out.
type gate struct {
	mu     sync.Mutex
	until  time.Time
	streak int // answers 429 since the last other answer
}

const (
	// maxGate bounds how long one answer can hold up everybody: a wrong
	// header must not switch a CA off for a day.
	maxGate = 5 * time.Minute
	// gateSpread is the time over which callers come back.
	gateSpread = time.Second
)

// shut closes the gate for as long as the service asked; without a word of it
// for 1 s, doubled by each further 429, at most 30 s.
func (g *gate) shut(retryAfter time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if retryAfter <= 0 {
		retryAfter = min(time.Second<<min(g.streak, 5), 30*time.Second)
	}
	g.streak++
	if until := time.Now().Add(min(retryAfter, maxGate)); until.After(g.until) {
		g.until = until
	}
}

// open notes that the service answers again.
func (g *gate) open() {
	g.mu.Lock()
	g.streak = 0
	g.mu.Unlock()
}

// left is how long the gate stays shut.
func (g *gate) left() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Until(g.until), 0)
}

// wait returns nil when the service may be called. When that will be too late
// for ctx it returns at once, with the time that is left to wait. Who can wait
// just long enough is not made late by the spread: half of the time that
// remains after it is for the call.
func (g *gate) wait(ctx context.Context, jitter func(time.Duration) time.Duration) (time.Duration, error) {
	for {
		left := g.left()
		if left == 0 {
			return 0, nil
		}
		spread := min(left, gateSpread)
		if end, ok := ctx.Deadline(); ok {
			spread = max(min(spread, (time.Until(end)-left)/2), 0)
		}
		if err := sleep(ctx, left+jitter(spread)); err != nil {
			return left, err
		}
	}
}

// sleep waits for d. It fails, at once, when ctx ends before that.
func sleep(ctx context.Context, d time.Duration) error {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return context.DeadlineExceeded
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
