package report

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

const (
	// maxExpiry bounds what a store remembers to remove; the rest is found by listing.
	maxExpiry = 100_000
	// removedAtOnce bounds a transaction, which holds up others with the same lock.
	removedAtOnce = 64
	// leftoverAfter is how long an open request stays after its end.
	leftoverAfter = time.Minute
)

// expiry is an issued request to be removed.
type expiry struct {
	key, token string
	at         time.Time
}

// remember notes a request for removal.
func (s *Store) remember(key string, c *claimRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.expiry) < maxExpiry {
		s.expiry = append(s.expiry, expiry{key: key, token: c.Token, at: c.At.time().Add(RememberFor)})
	}
}

// forget returns the requests whose time has come.
func (s *Store) forget() []expiry {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, now := 0, s.now()
	for n < len(s.expiry) && !now.Before(s.expiry[n].at) {
		n++
	}
	due := slices.Clone(s.expiry[:n])
	s.expiry = s.expiry[n:]
	return due
}

// removeExpired removes the requests of this store that need not be remembered longer, those
// with the same lock at once: what a transaction costs is its sync, while one with several
// locks would hold up many others. What an error leaves is tried the next time.
func (s *Store) removeExpired(ctx context.Context) error {
	due := s.forget()
	slices.SortFunc(due, func(a, b expiry) int { return strings.Compare(a.key, b.key) })
	for len(due) > 0 {
		n := 1
		for n < min(len(due), removedAtOnce) && lockOf(due[n].key) == lockOf(due[0].key) {
			n++
		}
		err := s.removeAtOnce(ctx, due[:n])
		if errors.Is(err, errMissing) {
			err = s.removeEach(ctx, due[:n])
		}
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.expiry = slices.Concat(due, s.expiry)
			return err
		}
		due = due[n:]
	}
	return nil
}

// removeAtOnce removes requests with the same lock in one transaction. errMissing: one of
// them was begun anew or is gone, and nothing has happened.
func (s *Store) removeAtOnce(ctx context.Context, due []expiry) error {
	return s.commit(ctx, func(t *transaction) {
		t.lock(due[0].key)
		for _, e := range due {
			t.need(tableTickets, ticketOf(e.key, e.token))
			t.del(tableTickets, ticketOf(e.key, e.token))
			t.del(tableRequests, e.key)
		}
	})
}

func (s *Store) removeEach(ctx context.Context, due []expiry) error {
	for _, e := range due {
		if err := s.change(ctx, e.key, e.token, nil, nil); err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	return nil
}

// removeLeftovers removes what stores that are gone have left behind: requests, and the
// tickets of those who lost a race and died before they could. It reads whole tables and
// so runs rarely.
func (s *Store) removeLeftovers(ctx context.Context) error {
	// The tickets come first: one that does not count later never will.
	tickets, err := s.list(ctx, tableTickets)
	if err != nil {
		return err
	}
	requests, err := s.list(ctx, tableRequests)
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, e := range requests {
		key := string(e.Key)
		if !isKey(key) {
			continue // it locks requests
		}
		c, err := s.currentClaim(ctx, key, e.Value)
		if err != nil {
			keep[key] = true
			continue
		}
		if c == nil {
			continue
		}
		keep[ticketOf(key, c.Token)] = true
		if !s.leftover(c) {
			continue
		}
		if err := s.change(ctx, key, c.Token, nil, nil); err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	for _, e := range tickets {
		ticket := string(e.Key)
		if key, _, _ := strings.Cut(ticket, "."); keep[key] || keep[ticket] {
			continue
		}
		if err := s.commit(ctx, func(t *transaction) { t.del(tableTickets, ticket) }); err != nil {
			return err
		}
	}
	return nil
}

// currentClaim decodes a listed row. Reading one again that cannot be decoded sets it
// aside.
func (s *Store) currentClaim(ctx context.Context, key string, value []byte) (*claimRow, error) {
	c := &claimRow{}
	err := decode(value, c)
	if errors.Is(err, errUnreadable) {
		return s.readClaim(ctx, key)
	}
	return c, err
}

func (s *Store) leftover(c *claimRow) bool {
	switch {
	case c == nil, c.State == statePrepared:
		return false
	case c.State == stateOpen:
		return s.now().Sub(c.Until.time()) > leftoverAfter
	}
	return !s.remembered(c)
}

// isKey reports whether a text is a request's key.
func isKey(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}
