package provisioner

import (
	"context"
	"errors"
	"sync"

	"github.com/go-chi/chi/v5"
)

// maxEnrolments bounds the enrolments that are under way at once in one CA. Each holds
// its certificate request and waits at most for its provisioner's timeout.
const maxEnrolments = 8192

var (
	errFull      = errors.New("too many enrolments are under way")
	errDuplicate = errors.New("an earlier copy of the same request is still under way")
)

// maxCopies bounds how many copies of a request wait for the one under way, so that one
// message alone cannot fill the queue.
const maxCopies = 16

// enrolments are the requests under way: at most one for each key, so that an approval is
// for exactly one request.
type enrolments struct {
	mu      sync.Mutex
	limit   int
	byKey   map[key]*enrolment
	byRoute map[*chi.Context]*enrolment
}

func newEnrolments(limit int) *enrolments {
	return &enrolments{limit: limit, byKey: map[key]*enrolment{}, byRoute: map[*chi.Context]*enrolment{}}
}

// open takes the enrolment's key. While an earlier copy of the same request holds it, open
// waits in the queue until ctx is done, unless many copies wait already: devices ask again,
// and whoever floods the CA with one message must not fill its memory.
func (s *enrolments) open(ctx context.Context, e *enrolment, queue chan struct{}) error {
	queued := false
	for {
		earlier, err := s.tryOpen(e)
		if err != nil || earlier == nil {
			return err
		}
		if !queued {
			leave, ok := try(queue)
			if !ok {
				s.giveUp(earlier)
				return errBusy
			}
			defer leave()
			queued = true
		}
		select {
		case <-earlier.closed:
		case <-ctx.Done():
			s.giveUp(earlier)
			return errDuplicate
		}
	}
}

// giveUp ends the wait of a copy.
func (s *enrolments) giveUp(earlier *enrolment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	earlier.copies--
}

// tryOpen takes the key, or returns who holds it, with one copy more that waits for that.
func (s *enrolments) tryOpen(e *enrolment) (earlier *enrolment, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.byKey[e.key]; earlier != nil {
		if earlier.copies == maxCopies {
			return nil, errDuplicate
		}
		earlier.copies++
		return earlier, nil
	}
	if len(s.byKey) >= s.limit {
		return nil, errFull
	}
	s.byKey[e.key] = e
	s.byRoute[e.route] = e
	return nil, nil
}

// close gives the key back and forgets the route context, which chi hands to later
// requests.
func (s *enrolments) close(e *enrolment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[e.key] == e {
		delete(s.byKey, e.key)
	}
	if s.byRoute[e.route] == e {
		delete(s.byRoute, e.route)
	}
	close(e.closed)
}

// find returns the enrolment that holds a key.
func (s *enrolments) find(k key) *enrolment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[k]
}

// findRoute returns the enrolment of a request.
func (s *enrolments) findRoute(route *chi.Context) *enrolment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byRoute[route]
}
