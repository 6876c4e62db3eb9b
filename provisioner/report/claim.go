package report

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/smallstep/nosql/database"
)

// The states of a request.
const (
	stateOpen     = "open"     // somebody works on it
	statePrepared = "prepared" // a certificate exists and has a journal record
	stateIssued   = "issued"   // the certificate has left
)

// claimRow is the state of a request. Each change gives it a new token, and table
// tickets holds one row for the token that counts: a transaction that relies on a token
// reads its ticket and so happens only while the request is as its author saw it.
type claimRow struct {
	State       string  `json:"state"`
	Token       string  `json:"token"`
	Transaction string  `json:"transaction"`
	Serial      string  `json:"serial,omitempty"` // decimal
	At          instant `json:"at"`               // of the change
	Until       instant `json:"until,omitempty"`  // of an open request: when others may take over
}

func (c *claimRow) check() error {
	if c.Token == "" {
		return errors.New("no token")
	}
	switch c.State {
	case stateOpen, statePrepared, stateIssued:
		return nil
	}
	return fmt.Errorf("unknown state %q", c.State)
}

// keyOf names a request: one certificate request at one provisioner.
func keyOf(provisioner string, csr []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(provisioner), provisioner)
	h.Write(csr)
	return hex.EncodeToString(h.Sum(nil))
}

func ticketOf(key, token string) string { return key + "." + token }

var ticketValue = []byte("1")

// readClaim returns the state of a request, nil for none.
func (s *Store) readClaim(ctx context.Context, key string) (*claimRow, error) {
	value, err := s.get(ctx, tableRequests, key)
	if err != nil || value == nil {
		return nil, err
	}
	c := &claimRow{}
	if err := decode(value, c); !errors.Is(err, errUnreadable) {
		return c, err
	} else if err := s.replaceClaim(ctx, key, value, err); err != nil {
		return nil, err
	}
	return s.readClaim(ctx, key)
}

// replaceClaim sets a row aside that cannot be read, and leaves one in its place that
// anybody may take over.
func (s *Store) replaceClaim(ctx context.Context, key string, value []byte, cause error) error {
	free := &claimRow{State: stateOpen, Token: newToken(), At: at(s.now()), Until: 1}
	replacement, err := encode(free)
	if err != nil {
		return err
	}
	s.logUnreadable(tableRequests, key, cause)
	return s.commit(ctx, func(t *transaction) {
		t.lock(key)
		t.set(tableUnreadable, asideKey(tableRequests, key), value)
		t.swap(tableRequests, key, value, replacement)
		t.set(tableTickets, ticketOf(key, free.Token), ticketValue)
	})
}

// create makes the first state of a request. Of several callers at once, on whatever
// replica, one gets true.
func (s *Store) create(ctx context.Context, key string, c *claimRow) (bool, error) {
	value, err := encode(c)
	if err != nil {
		return false, err
	}
	var first *database.TxEntry
	err = s.commit(ctx, func(t *transaction) {
		t.lock(key)
		first = t.swap(tableRequests, key, nil, value)
		t.set(tableTickets, ticketOf(key, c.Token), ticketValue)
	})
	if err != nil {
		return false, err
	}
	// The row is also ours when an earlier attempt came through without an answer.
	if first.Swapped || bytes.Equal(first.Result, value) {
		return true, nil
	}
	// The ticket of a loser opens nothing.
	return false, s.commit(ctx, func(t *transaction) { t.del(tableTickets, ticketOf(key, c.Token)) })
}

// change moves a request from the state with the token `from` to another, nil for none,
// together with what extra adds. errMissing: the request is no longer in that state, and
// nothing has happened.
func (s *Store) change(ctx context.Context, key, from string, to *claimRow, extra func(*transaction)) error {
	var value []byte
	if to != nil {
		var err error
		if value, err = encode(to); err != nil {
			return err
		}
	}
	err := s.commit(ctx, func(t *transaction) {
		t.lock(key)
		t.need(tableTickets, ticketOf(key, from))
		t.del(tableTickets, ticketOf(key, from))
		if to == nil {
			t.del(tableRequests, key)
		} else {
			t.set(tableTickets, ticketOf(key, to.Token), ticketValue)
			t.set(tableRequests, key, value)
		}
		if extra != nil {
			extra(t)
		}
	})
	if !errors.Is(err, errMissing) {
		return err
	}
	// An attempt that seemed to fail may have come through.
	current, readErr := s.readClaim(ctx, key)
	if readErr != nil {
		return readErr
	}
	if (current == nil) != (to == nil) || current != nil && current.Token != to.Token {
		return errMissing
	}
	return nil
}
