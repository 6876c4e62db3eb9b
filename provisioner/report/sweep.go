package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// orphanedAfter is how old a journal record becomes before a sweep takes it. No
	// request lives longer than 25 s, which leaves as much for clocks that differ.
	orphanedAfter = time.Minute
	// sweepLease is how long one sweep has for a record before another may begin.
	sweepLease = time.Minute
)

// Orphan is a certificate that has not left the CA, or whose CA did not live to say so.
type Orphan struct {
	Request
	Certificate []byte // DER; step-ca may or may not have stored it
}

// Orphans takes certificates back.
type Orphans interface {
	// TakeBack revokes the certificate if it was stored and returns what Intune is to be
	// told. It may be called more than once for one certificate.
	TakeBack(ctx context.Context, o Orphan) (Failure, error)
}

// sweep turns what a crash has left behind into failure reports.
func (s *Store) sweep(ctx context.Context, orphans Orphans) error {
	entries, err := s.list(ctx, tableJournal)
	if err != nil {
		return err
	}
	now := s.now()
	for _, e := range entries {
		key, row := string(e.Key), &journalRow{}
		switch err := decode(e.Value, row); {
		case errors.Is(err, errNewer):
			s.logNewer(tableJournal, key, err)
			continue
		case err != nil:
			if err := s.discard(ctx, key, err); err != nil {
				return err
			}
			continue
		}
		if now.Sub(row.At.time()) < orphanedAfter || now.Before(row.Until.time()) {
			continue
		}
		if err := s.takeBack(ctx, key, row, orphans); err != nil {
			s.log.Error("taking back an undelivered certificate failed", "provisioner", row.Provisioner, "sweeps", row.Sweeps+1, "err", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// takeBack claims one journal record, so that its request can no longer complete, and
// ends it. A crash in between leaves a claim that ends by itself.
func (s *Store) takeBack(ctx context.Context, ticket string, row *journalRow, orphans Orphans) error {
	value, err := s.get(ctx, tableJournalData, row.Data)
	if err != nil {
		return err
	}
	data := &journalData{}
	if value == nil || !s.read(ctx, tableJournalData, row.Data, value, data) {
		return s.discard(ctx, ticket, errors.New("its certificate is missing or unreadable"))
	}
	key := keyOf(data.Provisioner, data.CSR)
	if len(ticket) <= len(key) || ticket[:len(key)] != key {
		return s.discard(ctx, ticket, errors.New("its certificate belongs to another request"))
	}
	c, err := s.adopt(ctx, key, ticket, row, data)
	if err != nil || c == nil {
		return err
	}
	attempt, cancel := context.WithTimeout(ctx, sweepLease/2)
	defer cancel()
	failure, err := orphans.TakeBack(attempt, Orphan{Request: data.Request, Certificate: data.Certificate})
	if err != nil {
		return err
	}
	if err := c.Abort(attempt, &failure); err != nil {
		return err
	}
	s.log.Warn("undelivered certificate taken back", "provisioner", data.Provisioner, "transaction", clip(data.TransactionID, 200), "prepared", row.At.time())
	return nil
}

// adopt makes a record's request this store's; nil means that somebody was faster.
func (s *Store) adopt(ctx context.Context, key, ticket string, row *journalRow, data *journalData) (*Claim, error) {
	prepared := &claimRow{State: statePrepared, Token: newToken(), Transaction: data.TransactionID, At: row.At}
	rows := &journalled{row: ticketOf(key, prepared.Token), data: row.Data}
	adopted := *row
	adopted.Until, adopted.Sweeps = at(s.now().Add(sweepLease)), row.Sweeps+1
	value, err := encode(&adopted)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, key, ticket[len(key)+1:], prepared, func(t *transaction) {
		t.del(tableJournal, ticket)
		t.set(tableJournal, rows.row, value)
	})
	switch {
	case errors.Is(err, errMissing):
		return nil, s.discard(ctx, ticket, errors.New("its request is no longer the one that it was written for"))
	case err != nil:
		return nil, fmt.Errorf("claiming it: %w", err)
	}
	return &Claim{store: s, request: data.Request, key: key, token: prepared.Token, journal: rows}, nil
}

// discard sets a journal record aside that leads nowhere, and frees its request. Usually
// there is none any more: its request has ended in the meantime.
func (s *Store) discard(ctx context.Context, ticket string, cause error) error {
	value, err := s.get(ctx, tableJournal, ticket)
	if err != nil || value == nil {
		return err
	}
	key, token, _ := strings.Cut(ticket, ".")
	if isKey(key) {
		err = s.change(ctx, key, token, nil, func(t *transaction) {
			t.set(tableUnreadable, asideKey(tableJournal, ticket), value)
			t.del(tableJournal, ticket)
		})
		if err == nil {
			s.logUnreadable(tableJournal, ticket, cause)
		}
		if !errors.Is(err, errMissing) {
			return err
		}
	}
	s.setAside(ctx, tableJournal, ticket, value, cause)
	return nil
}
