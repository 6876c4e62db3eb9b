package report

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// RememberFor is how long the same request gets the certificate already issued.
	RememberFor = 15 * time.Minute
	// certificateRoom is kept free for the certificate when a request's size is checked.
	certificateRoom = 8 << 10
)

// ErrLost says that a request no longer belongs to its caller: it took longer than its
// `until`, or another replica has found its journal record too old. Whatever it was about
// to do must not happen, and what it has done is being undone.
var ErrLost = errors.New("the request has been taken over: it took too long")

// ErrWaiting says that an earlier copy of the request was under way for as long as Begin
// could wait.
var ErrWaiting = errors.New("waiting for an earlier copy of the request")

// Request is what a device asked for.
type Request struct {
	Provisioner   string
	TransactionID string
	CAID          string // of the success notification
	CSR           []byte // DER, as the device sent it
}

// Issued says that the same request got a certificate a moment ago.
type Issued struct {
	Serial        string // decimal, as step-ca's database has it
	TransactionID string // under which Intune knows it
	At            time.Time

	key, token string
}

// Claim is a request that its holder alone works on. Exactly one of Complete and Abort
// ends it.
type Claim struct {
	store   *Store
	request Request
	key     string

	mu      sync.Mutex
	token   string
	journal *journalled // after Prepare
	serial  string      // after Prepare
	success *Report     // of a queued one
}

// Begin claims a request until the given time. While another holder has it, Begin waits
// for the end of that or of ctx. When the same request has got a certificate within
// [RememberFor], Begin returns that instead of a claim; if it has been revoked since,
// call [Store.Restart].
func (s *Store) Begin(ctx context.Context, r Request, until time.Time) (*Claim, *Issued, error) {
	if err := r.fits(); err != nil {
		return nil, nil, err
	}
	key := keyOf(r.Provisioner, r.CSR)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		current, err := s.readClaim(ctx, key)
		if err != nil {
			return nil, nil, fmt.Errorf("claiming the request: %w", err)
		}
		if current != nil && s.remembered(current) {
			return nil, &Issued{
				Serial: current.Serial, TransactionID: current.Transaction, At: current.At.time(),
				key: key, token: current.Token,
			}, nil
		}
		if current == nil || s.expired(current) {
			claim, err := s.take(ctx, r, key, current, until)
			if err != nil {
				return nil, nil, fmt.Errorf("claiming the request: %w", err)
			}
			if claim != nil {
				return claim, nil, nil
			}
		}
		if err := s.sleep(ctx, s.jitter(pause)); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrWaiting, err)
		}
	}
}

// Restart claims a request whose certificate may not be handed out again. When somebody
// else has done so already, it does what Begin does.
func (s *Store) Restart(ctx context.Context, r Request, issued *Issued, until time.Time) (*Claim, *Issued, error) {
	claim, err := s.take(ctx, r, issued.key, &claimRow{Token: issued.token}, until)
	if err != nil {
		return nil, nil, fmt.Errorf("claiming the request anew: %w", err)
	}
	if claim == nil {
		return s.Begin(ctx, r, until)
	}
	return claim, nil, nil
}

// take returns a claim, or nil when somebody else was faster.
func (s *Store) take(ctx context.Context, r Request, key string, current *claimRow, until time.Time) (*Claim, error) {
	open := &claimRow{
		State: stateOpen, Token: newToken(), Transaction: r.TransactionID,
		At: at(s.now()), Until: at(until),
	}
	won := false
	var err error
	if current == nil {
		won, err = s.create(ctx, key, open)
	} else {
		err = s.change(ctx, key, current.Token, open, nil)
		won = err == nil
		if errors.Is(err, errMissing) {
			err = nil
		}
	}
	if err != nil || !won {
		return nil, err
	}
	return &Claim{store: s, request: r, key: key, token: open.Token}, nil
}

// remembered reports whether the request got its certificate a moment ago.
func (s *Store) remembered(c *claimRow) bool {
	return c.State == stateIssued && s.now().Sub(c.At.time()) < RememberFor
}

// expired reports whether a request in this state may be begun anew. One with a journal
// record may not: the sweep ends it.
func (s *Store) expired(c *claimRow) bool {
	switch c.State {
	case stateOpen:
		return s.now().After(c.Until.time())
	case stateIssued:
		return !s.remembered(c)
	}
	return false
}

// fits reports whether everything about the request fits into the database.
func (r Request) fits() error {
	// A byte of a name takes six at most, as \u0000, and three of a request take four. What is
	// far below the limit need not be encoded to be measured.
	names := 6 * (len(r.Provisioner) + len(r.TransactionID) + len(r.CAID))
	if names+2*(len(r.CSR)+certificateRoom) < MaxRecord {
		return nil
	}
	_, err := encode(&journalData{Request: r, Certificate: make([]byte, certificateRoom)})
	if err != nil {
		return fmt.Errorf("the request of %d bytes does not fit into the database: %w", len(r.CSR), err)
	}
	return nil
}
