package intune

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// verdict is what may follow a failed attempt.
type verdict int

const (
	final   verdict = iota // nothing
	passing                // another attempt, when there is one left
	renewed                // another attempt at once: what was wrong has been renewed
)

// outcome is what became of one attempt. err is nil when it succeeded. When
// nothing was sent, for want of a token or an address, unsent says why.
type outcome struct {
	unsent   error
	status   int
	code     Code
	activity string
	err      *ServiceError
	verdict  verdict
}

const (
	baseDelay = 250 * time.Millisecond
	maxDelay  = 4 * time.Second
)

// retry calls try until it succeeds, its failure is final, c.retries repeats
// are used up, or the next attempt would begin after the end of ctx. A try
// says renewed at most once.
func (c *Client) retry(ctx context.Context, operation, transaction string, g *gate, try func(context.Context) outcome) error {
	var last *ServiceError
	for number, repeats := 1, 0; ; number++ {
		if left, err := g.wait(ctx, c.jitter); err != nil {
			if last != nil { // it tells more than that we waited
				last.Cause = errors.Join(last.Cause, err)
				return last
			}
			return &ServiceError{
				Kind: ErrThrottled, Operation: operation, TransactionID: transaction,
				Description: "waiting because an earlier call was answered 429",
				RetryAfter:  left, Cause: err,
			}
		}
		begin := time.Now()
		o := try(ctx)
		if o.unsent != nil {
			return o.unsent
		}
		a := Attempt{
			Operation: operation, Number: number, Duration: time.Since(begin),
			StatusCode: o.status, Code: o.code, ActivityID: o.activity, TransactionID: transaction,
		}
		if o.err == nil {
			g.open()
			c.observe(ctx, a)
			return nil
		}
		o.err.Operation, o.err.TransactionID = operation, transaction
		o.err.StatusCode, o.err.ActivityID = o.status, o.activity
		a.Err, last = o.err, o.err

		var delay time.Duration
		switch {
		case o.err.Kind == ErrThrottled:
			g.shut(o.err.RetryAfter) // the gate then holds this caller up, too
		case o.status != 0:
			g.open()
		}
		again := o.verdict == renewed && ctx.Err() == nil
		if o.verdict == passing && repeats < c.retries && ctx.Err() == nil {
			repeats++
			again = true
			if o.err.Kind != ErrThrottled {
				delay = max(c.jitter(min(baseDelay<<repeats, maxDelay)), o.err.RetryAfter)
			}
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= max(delay, g.left()) {
			again = false
		}
		a.Retrying = again
		c.observe(ctx, a)
		if !again {
			return o.err
		}
		if err := sleep(ctx, delay); err != nil {
			o.err.Cause = errors.Join(o.err.Cause, err)
			return o.err
		}
	}
}

// shareOf bounds one attempt at a token or a look-up, for which all callers
// wait, so that one that hangs leaves time for another. Calls of Intune's have
// no such bound: an answer that takes long is better than a second question.
func (c *Client) shareOf(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.retries == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout/2)
}

// fullJitter spreads delays over the whole of d, so that callers who failed
// together do not come back together.
func fullJitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}
