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
// waits in the queue until ctx is done: devices ask again, and whoever floods the CA with one
// message must not fill its memory.
func (s *enrolments) open(ctx context.Context, e *enrolment, queue chan struct{}) error {
	for {
		earlier, err := s.tryOpen(e)
		if err != nil || earlier == nil {
			return err
		}
		if err := earlier.wait(ctx, queue); err != nil {
			return err
		}
	}
}

// wait returns when another enrolment may take the key.
func (e *enrolment) wait(ctx context.Context, queue chan struct{}) error {
	leave, ok := try(queue)
	if !ok {
		return errBusy
	}
	defer leave()
	select {
	case <-e.closed:
		return nil
	case <-ctx.Done():
		return errDuplicate
	}
}

func (s *enrolments) tryOpen(e *enrolment) (earlier *enrolment, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.byKey[e.key]; earlier != nil {
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
