package report

import (
	"context"
	"errors"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

const (
	// tolerated is how many failures in a row a provisioner may have before it is asked
	// less often: a few are what happens.
	tolerated = 3
	// longestPause is how long nothing is sent to a provisioner that fails; then one
	// report tries.
	longestPause = time.Minute
)

// breaker keeps an outage from being answered with one call for each report: while a
// provisioner's calls fail, one report at a time tries, at growing distances. Once one has
// come through, the others follow.
type breaker struct {
	failures int       // in a row
	until    time.Time // nothing is sent before
	probing  bool      // one report is trying
}

// open reports whether the provisioner is failing.
func (b *breaker) open() bool { return b.failures > tolerated || !b.until.IsZero() }

// admits reports whether a report may be sent now.
func (b *breaker) admits(now time.Time) bool {
	return !b.open() || !b.probing && !now.Before(b.until)
}

// sent notes that one report is on its way.
func (b *breaker) sent() { b.probing = b.open() }

// succeeded closes the breaker.
func (b *breaker) succeeded() { *b = breaker{} }

// neutral notes that an attempt says nothing about the provisioner.
func (b *breaker) neutral() { b.probing = false }

// hold lets one report try after a pause, whatever came before.
func (b *breaker) hold(until time.Time) { *b = breaker{until: until} }

// failed notes a failure that others would meet, too. pause is at least how long nothing
// may be sent, 0 if nobody has asked for one.
func (b *breaker) failed(now time.Time, pause time.Duration, jitter func(time.Duration) time.Duration) {
	// What was under way when the breaker opened says nothing new.
	if !b.open() || b.probing {
		b.failures++
		if over := b.failures - tolerated; over > 0 {
			pause = max(pause, jitter(min(longestPause, time.Second<<min(over, 10))))
		}
	}
	b.probing = false
	if pause > 0 {
		b.until = later(b.until, now.Add(pause))
	}
}

// affectsAll reports whether other reports would fail for the same reason.
func affectsAll(err error) bool {
	for _, kind := range []error{
		intune.ErrUnavailable, intune.ErrUnauthorized, intune.ErrServiceNotFound, intune.ErrThrottled,
		context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// retryAfter returns how long Microsoft has asked to wait.
func retryAfter(err error) time.Duration {
	var service *intune.ServiceError
	if errors.As(err, &service) && service.RetryAfter > 0 {
		return min(service.RetryAfter, longestThrottle)
	}
	if errors.Is(err, intune.ErrThrottled) {
		return throttlePause
	}
	return 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
