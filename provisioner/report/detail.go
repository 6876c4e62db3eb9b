package report

import (
	"context"
	"crypto/sha1" //nolint:gosec // a thumbprint, as Intune's console shows it
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Detail is a report for people, with everything but its certificate request, which holds
// the challenge.
type Detail struct {
	Summary
	TransactionID string    `json:"transactionID"` // whole
	CAID          string    `json:"caID"`
	Subject       string    `json:"subject"`              // of the request
	Thumbprint    string    `json:"thumbprint,omitempty"` // of the certificate of a success
	NotAfter      time.Time `json:"notAfter,omitzero"`
	HResult       string    `json:"hResult,omitempty"` // of a failure
	Description   string    `json:"description,omitempty"`
}

// Report returns one report.
func (s *Store) Report(ctx context.Context, id string) (*Detail, error) {
	q, r, err := s.readBoth(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading report %q: %w", id, err)
	}
	d := &Detail{Summary: q.summary(), TransactionID: r.TransactionID, CAID: r.CAID}
	if csr, err := x509.ParseCertificateRequest(r.CSR); err == nil {
		d.Subject = csr.Subject.String()
	}
	if r.Kind == KindFailure {
		d.HResult, d.Description = r.HResult.String(), r.Description
		return d, nil
	}
	if c, err := x509.ParseCertificate(r.Certificate); err == nil {
		sum := sha1.Sum(c.Raw) //nolint:gosec // as above
		d.Thumbprint, d.NotAfter = strings.ToUpper(hex.EncodeToString(sum[:])), c.NotAfter
	}
	return d, nil
}

// readBoth returns both rows of a report, also of one that is being sent.
func (s *Store) readBoth(ctx context.Context, id string) (*queued, *Report, error) {
	if id == "" || len(id) > maxKey {
		return nil, nil, ErrNotFound
	}
	row, err := s.get(ctx, tableOutbox, id)
	if err != nil {
		return nil, nil, err
	}
	data, err := s.get(ctx, tableOutboxData, id)
	if err != nil {
		return nil, nil, err
	}
	if row == nil || data == nil {
		return nil, nil, ErrNotFound
	}
	q, r := &queued{id: id, value: row}, &Report{}
	if err := decode(row, &q.row); err != nil {
		return nil, nil, err
	}
	if err := decode(data, r); err != nil {
		return nil, nil, err
	}
	return q, r, nil
}
