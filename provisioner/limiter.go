package provisioner

import (
	"context"
	"errors"
)

var errBusy = errors.New("all places of maxConcurrent are taken")

// waitingPerPlace bounds how many requests wait for each place. One that waits holds some
// 60 kB, most of it in step-ca and net/http, which the garbage collector lets grow to twice
// as much, and a longer queue would hardly be served within the timeout: the rest is
// refused at once.
const waitingPerPlace = 3

// limiter bounds the enrolments of one provisioner that are under way at once, those that
// wait for that, and the requests at Intune. Anyone on the network can make the CA ask for a
// validation, while only an approved request leads to a notification: a quarter of the
// places at Intune is kept for notifications.
//
// An approved enrolment keeps its place until its end. Were it free again after the
// validation, a CA that signs more slowly than Intune approves would begin ever more, of
// which none ends in time.
type limiter struct {
	enrolments  chan struct{}
	queue       chan struct{} // who waits for one of these, or for an earlier copy of the request
	validations chan struct{}
	all         chan struct{} // at Intune
}

func newLimiter(n int) *limiter {
	return &limiter{
		enrolments:  make(chan struct{}, n),
		queue:       make(chan struct{}, n*waitingPerPlace),
		validations: make(chan struct{}, max(1, n-max(1, n/4))),
		all:         make(chan struct{}, n),
	}
}

// enrolment waits for a place until ctx is done, unless too many wait already. The caller
// gives it back by release at the end of the enrolment.
func (l *limiter) enrolment(ctx context.Context) (release func(), err error) {
	if release, ok := try(l.enrolments); ok {
		return release, nil
	}
	leave, ok := try(l.queue)
	if !ok {
		return nil, errBusy
	}
	defer leave()
	return take(ctx, l.enrolments)
}

// validation waits for a place at Intune until ctx is done.
func (l *limiter) validation(ctx context.Context) (release func(), err error) {
	leave, err := take(ctx, l.validations)
	if err != nil {
		return nil, err
	}
	giveBack, err := take(ctx, l.all)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { giveBack(); leave() }, nil
}

// notification is as validation, with all places.
func (l *limiter) notification(ctx context.Context) (release func(), err error) {
	return take(ctx, l.all)
}

// take waits for a place; one that is free is taken even when ctx is done.
func take(ctx context.Context, places chan struct{}) (release func(), err error) {
	if release, ok := try(places); ok {
		return release, nil
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

func try(places chan struct{}) (release func(), ok bool) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, true
	default:
		return nil, false
	}
}

// load returns how many places are taken, and how many there are.
func (l *limiter) load() (taken, all int) {
	return max(len(l.enrolments), len(l.all)), cap(l.all)
}
