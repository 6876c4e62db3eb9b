package provisioner

import (
	"fmt"
	"sync"
	"time"
)

const (
	// refusedFor is how long a request that Intune has refused is refused again without
	// asking.
	refusedFor = 30 * time.Second
	// maxRefusals bounds the refusals that are remembered.
	maxRefusals = 50_000
)

// refusals remembers what Intune has just refused: the answer to the same request would be
// the same.
type refusals struct {
	mu    sync.Mutex
	byKey map[key]refusal
	now   func() time.Time
}

type refusal struct {
	err error
	at  time.Time
}

func newRefusals(now func() time.Time) *refusals {
	return &refusals{byKey: map[key]refusal{}, now: now}
}

// remember notes that Intune has refused a request.
func (s *refusals) remember(k key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byKey) >= maxRefusals {
		s.tidy()
	}
	s.byKey[k] = refusal{err: err, at: s.now()}
}

// tidy forgets what is no longer of use, or all of it where that is not enough: a forgotten
// refusal costs one more question.
func (s *refusals) tidy() {
	for k, r := range s.byKey {
		if s.now().Sub(r.at) > refusedFor {
			delete(s.byKey, k)
		}
	}
	if len(s.byKey) >= maxRefusals {
		clear(s.byKey)
	}
}

// recall returns why Intune has just refused the request, or nil.
func (s *refusals) recall(k key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.byKey[k]
	if !ok {
		return nil
	}
	if age := s.now().Sub(r.at); age <= refusedFor {
		return fmt.Errorf("not asked again, %s after this answer: %w", age.Round(time.Second), r.err)
	}
	delete(s.byKey, k)
	return nil
}
