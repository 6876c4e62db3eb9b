package report

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
)

// journalRow says that a certificate exists that may not have left. Its key is the
// request's ticket.
type journalRow struct {
	Provisioner string  `json:"provisioner"`
	At          instant `json:"at"`
	Data        string  `json:"data"`            // key of the journalData
	Until       instant `json:"until,omitempty"` // when another sweep may begin
	Sweeps      int     `json:"sweeps,omitempty"`
}

func (j *journalRow) check() error {
	if j.At == 0 || j.Data == "" {
		return errors.New("no time or no data")
	}
	return nil
}

// journalData is what a failure report and a revocation need.
type journalData struct {
	Request
	Certificate []byte
}

func (j *journalData) check() error {
	if j.Provisioner == "" || len(j.CSR) == 0 {
		return errors.New("no provisioner or no request")
	}
	return nil
}

// journalled names the journal's rows of a claim.
type journalled struct{ row, data string }

func (j *journalled) remove(t *transaction) {
	t.del(tableJournal, j.row)
	t.del(tableJournalData, j.data)
}

// Prepare writes the journal record of a signed certificate. It returns before the
// success notification is sent, or, with queued, before the certificate leaves the CAS.
// When the claim does not end within a minute, a sweep turns it into a failure report.
//
// With queued, Complete puts a success report into the outbox.
func (c *Claim) Prepare(ctx context.Context, certificate *x509.Certificate, queued bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.journal != nil {
		return errors.New("writing the journal: the claim has a record")
	}
	now := at(c.store.now())
	prepared := &claimRow{
		State: statePrepared, Token: newToken(), Transaction: c.request.TransactionID,
		Serial: certificate.SerialNumber.String(), At: now,
	}
	rows := &journalled{row: ticketOf(c.key, prepared.Token), data: ticketOf(c.key, prepared.Token)}
	row, err := encode(&journalRow{Provisioner: c.request.Provisioner, At: now, Data: rows.data})
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	data, err := encode(&journalData{Request: c.request, Certificate: certificate.Raw})
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	var success *Report
	if queued {
		success = &Report{Kind: KindSuccess, Request: c.request, Certificate: certificate.Raw}
		if err := success.fits(); err != nil {
			return err
		}
	}
	err = c.store.change(ctx, c.key, c.token, prepared, func(t *transaction) {
		t.set(tableJournal, rows.row, row)
		t.set(tableJournalData, rows.data, data)
	})
	if err != nil {
		return c.failed("writing the journal", err)
	}
	c.token, c.journal, c.success = prepared.Token, rows, success
	c.serial = prepared.Serial
	return nil
}

// Complete ends a prepared claim: step-ca has stored the certificate and built its
// answer. From here on the same request gets the same certificate. ErrLost: it is too
// late, the certificate is being revoked and reported as failed.
func (c *Claim) Complete(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.journal == nil {
		return errors.New("completing the request: it has no journal record")
	}
	issued := &claimRow{
		State: stateIssued, Token: newToken(), Transaction: c.request.TransactionID,
		Serial: c.serial, At: at(c.store.now()),
	}
	rows, err := c.store.rowsOf(c.success)
	if err != nil {
		return fmt.Errorf("completing the request: %w", err)
	}
	err = c.store.change(ctx, c.key, c.token, issued, func(t *transaction) {
		c.journal.remove(t)
		rows.add(t)
	})
	if err != nil {
		return c.failed("completing the request", err)
	}
	c.token = issued.Token
	c.store.remember(c.key, issued)
	c.store.announce(rows)
	return nil
}

// Abort ends a claim without a certificate; the same request may begin anew. A failure
// that is not nil goes to the outbox. A stored certificate has to be revoked before.
func (c *Claim) Abort(ctx context.Context, failure *Failure) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows, err := c.store.rowsOf(c.request.failed(failure))
	if err != nil {
		return fmt.Errorf("giving up the request: %w", err)
	}
	err = c.store.change(ctx, c.key, c.token, nil, func(t *transaction) {
		if c.journal != nil {
			c.journal.remove(t)
		}
		rows.add(t)
	})
	if err != nil {
		return c.failed("giving up the request", err)
	}
	c.store.announce(rows)
	return nil
}

func (c *Claim) failed(doing string, err error) error {
	if errors.Is(err, errMissing) {
		err = ErrLost
	}
	return fmt.Errorf("%s: %w", doing, err)
}
