package provisioner

import (
	"context"
	"errors"
)

var errBusy = errors.New("too many requests are waiting for Intune")

// waitingPerPlace bounds how many requests wait for each place at Intune. One that waits
// holds some 70 kB, most of it in step-ca and net/http, which the garbage collector lets
// grow to twice as much, and a longer queue would hardly be served within the timeout: the
// rest is refused at once.
const waitingPerPlace = 3

// limiter bounds the requests of one provisioner that are at Intune at once, and those that
// wait for it. Anyone on the network can make the CA ask for a validation, while only an
// approved request leads to a notification: a quarter of the places is kept for
// notifications.
type limiter struct {
	all         chan struct{}
	validations chan struct{}
	queue       chan struct{} // who waits for a validation
}

func newLimiter(n int) *limiter {
	return &limiter{
		all:         make(chan struct{}, n),
		validations: make(chan struct{}, max(1, n-n/4)),
		queue:       make(chan struct{}, n*waitingPerPlace),
	}
}

// validation waits for a place until ctx is done, unless too many wait already. The caller
// gives it back by release.
func (l *limiter) validation(ctx context.Context) (release func(), err error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	giveBack, err := l.notification(ctx)
	if err != nil {
		<-l.validations
		return nil, err
	}
	return func() { giveBack(); <-l.validations }, nil
}

// enter takes a place among the validations.
func (l *limiter) enter(ctx context.Context) error {
	select {
	case l.validations <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.queue <- struct{}{}:
		defer func() { <-l.queue }()
	default:
		return errBusy
	}
	select {
	case l.validations <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errBusy
	}
}

// notification is as validation, with all places.
func (l *limiter) notification(ctx context.Context) (release func(), err error) {
	select {
	case l.all <- struct{}{}:
		return func() { <-l.all }, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

// load returns how many places are taken, and how many there are.
func (l *limiter) load() (taken, all int) { return len(l.all), cap(l.all) }
