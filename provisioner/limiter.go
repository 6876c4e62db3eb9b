package provisioner

import (
	"context"
	"errors"
)

var errBusy = errors.New("too many requests are waiting for Intune")

// limiter bounds the requests of one provisioner that are at Intune at once. Anyone on the
// network can make the CA ask for a validation, while only an approved request leads to a
// notification: a quarter of the places is kept for notifications.
type limiter struct {
	all         chan struct{}
	validations chan struct{}
}

func newLimiter(n int) *limiter {
	return &limiter{all: make(chan struct{}, n), validations: make(chan struct{}, max(1, n-n/4))}
}

// validation waits for a place until ctx is done. The caller gives it back by release.
func (l *limiter) validation(ctx context.Context) (release func(), err error) {
	select {
	case l.validations <- struct{}{}:
	case <-ctx.Done():
		return nil, errBusy
	}
	giveBack, err := l.notification(ctx)
	if err != nil {
		<-l.validations
		return nil, err
	}
	return func() { giveBack(); <-l.validations }, nil
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
