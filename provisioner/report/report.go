package report

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// Kind tells the two notifications apart.
type Kind string

// The kinds of reports.
const (
	KindSuccess Kind = "success"
	KindFailure Kind = "failure"
)

// Failure is what Intune's console shows for an error of the CA.
type Failure struct {
	HResult     intune.HResult
	Description string // the client cuts it to Microsoft's 255 characters
}

// Report is a notification for Intune.
type Report struct {
	Kind Kind
	Request
	Certificate []byte `json:",omitempty"` // DER, of a success
	Failure            // of a failure
}

func (r *Report) check() error {
	switch {
	case r.Provisioner == "" || len(r.CSR) == 0:
		return errors.New("no provisioner or no request")
	case r.Kind == KindSuccess && len(r.Certificate) > 0, r.Kind == KindFailure:
		return nil
	}
	return fmt.Errorf("unknown kind %q, or no certificate", r.Kind)
}

func (r *Report) fits() error {
	if err := r.check(); err != nil {
		return fmt.Errorf("the report is not complete: %w", err)
	}
	_, err := encode(r)
	return err
}

// failed returns the failure report of a request, nil for none.
func (r Request) failed(f *Failure) *Report {
	if f == nil {
		return nil
	}
	return &Report{Kind: KindFailure, Request: r, Failure: *f}
}

// The states of a report in the outbox.
const (
	statePending = "pending"
	stateDead    = "dead"
)

// outboxRow is a report without what is large.
type outboxRow struct {
	State       string  `json:"state"`
	Kind        Kind    `json:"kind"`
	Provisioner string  `json:"provisioner"`
	Transaction string  `json:"transaction"` // the beginning of it
	Group       string  `json:"group"`       // reports of one group are sent in the order of their ids
	Serial      string  `json:"serial,omitempty"`
	Created     instant `json:"created"`
	Since       instant `json:"since"` // Created, or when an operator asked for another try
	Next        instant `json:"next"`
	Attempts    int     `json:"attempts,omitempty"`
	Error       string  `json:"error,omitempty"` // of the last attempt
	Owner       string  `json:"owner,omitempty"` // who sends it now
	Until       instant `json:"until,omitempty"` // when the owner has lost it
}

func (o *outboxRow) check() error {
	if o.State != statePending && o.State != stateDead {
		return fmt.Errorf("unknown state %q", o.State)
	}
	if o.Group == "" || o.Created == 0 {
		return errors.New("no group or no time")
	}
	if o.Attempts < 0 || o.Attempts > 1_000_000 {
		return fmt.Errorf("%d attempts", o.Attempts)
	}
	return nil
}

// groupOf names the reports whose order counts: those of one transaction.
func groupOf(r Request) string {
	group := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(r.Provisioner), r.Provisioner, r.TransactionID))
	return hex.EncodeToString(group[:8])
}

// newRow returns a pending row for a report.
func (s *Store) newRow(r *Report) *outboxRow {
	now := at(s.now())
	row := &outboxRow{
		State: statePending, Kind: r.Kind, Provisioner: r.Provisioner, Transaction: clip(r.TransactionID, 80),
		Group: groupOf(r.Request), Created: now, Since: now, Next: now,
	}
	if c, err := x509.ParseCertificate(r.Certificate); err == nil {
		row.Serial = strings.ToUpper(hex.EncodeToString(c.SerialNumber.Bytes()))
	}
	return row
}

// outboxRows are a report's rows; nil for no report.
type outboxRows struct {
	id, group string
	row, data []byte
}

func (s *Store) rowsOf(r *Report) (*outboxRows, error) {
	if r == nil {
		return nil, nil
	}
	if err := r.fits(); err != nil {
		return nil, err
	}
	small := s.newRow(r)
	row, err := encode(small)
	if err != nil {
		return nil, err
	}
	data, err := encode(r)
	if err != nil {
		return nil, err
	}
	return &outboxRows{id: s.newID(), group: small.Group, row: row, data: data}, nil
}

func (o *outboxRows) add(t *transaction) {
	if o != nil {
		t.set(tableOutbox, o.id, o.row)
		t.set(tableOutboxData, o.id, o.data)
		t.stir(o.group)
	}
}

// announce tells the delivery of new rows.
func (s *Store) announce(o *outboxRows) {
	if o != nil {
		s.wakeUp()
	}
}

// clip makes a text that somebody else wrote fit into one short line.
func clip(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
