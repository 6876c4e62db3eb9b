package crash

import (
	"context"
	"crypto/sha1" //nolint:gosec // Intune's thumbprints are SHA-1
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/smallstep/nosql"
	"github.com/smallstep/nosql/database"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Books is what the two sides have written down about certificates. Serial numbers
// are in upper-case hexadecimal.
type Books struct {
	Lines    []intunesim.Certificate      // Intune's list
	Calls    []intunesim.Request          // what Intune received
	Stored   map[string]*x509.Certificate // in step-ca's database
	Revoked  map[string]bool              // there, too
	Reports  []report.Summary             // in the outbox
	Leftover []string                     // rows of the journal, and unreadable ones
	Outcomes []Outcome                    // in the logs
	// Unwritten counts, by transaction, ends that the database had not taken when the
	// process was killed.
	Unwritten map[string]int
	// Superseded counts, by transaction, failures that were not reported because a copy of
	// the request had a certificate, or was about to get one.
	Superseded map[string]int
}

// Outcome is the line that an enrolment leaves in the log.
type Outcome struct {
	Msg, Outcome, Transaction, Serial, Err string
	Repeated                               bool
	Code                                   *string // of a call that failed
}

// Pending returns how many reports have not been delivered and are not dead.
func (b *Books) Pending() int {
	n := 0
	for _, r := range b.Reports {
		if !r.Dead {
			n++
		}
	}
	return n
}

// Books reads everything. With badger no CA may be running.
func (s *Site) Books(ctx context.Context) (*Books, error) {
	db, err := nosql.New(s.driver, s.dataSource)
	if err != nil {
		return nil, fmt.Errorf("opening step-ca's database: %w", err)
	}
	defer db.Close()
	b := &Books{
		Lines: s.Sim.Certificates(), Calls: s.Sim.Requests(),
		Stored: map[string]*x509.Certificate{}, Revoked: map[string]bool{}, Unwritten: map[string]int{}, Superseded: map[string]int{},
	}
	if err := b.readStored(db); err != nil {
		return nil, err
	}
	store, err := report.Open(ctx, db, nil)
	if err != nil {
		return nil, err
	}
	if b.Reports, err = store.Reports(ctx); err != nil {
		return nil, err
	}
	for _, table := range []string{"intune_journal", "intune_journal_data", "intune_unreadable"} {
		entries, err := db.List([]byte(table))
		if err != nil {
			return nil, fmt.Errorf("listing table %s: %w", table, err)
		}
		for _, e := range entries {
			b.Leftover = append(b.Leftover, fmt.Sprintf("%s %s", table, e.Key))
		}
	}
	for _, r := range s.Replicas {
		b.Outcomes = append(b.Outcomes, lines(r.Log(), "enrolment")...)
		for _, o := range lines(r.Log(), "the end of an enrolment is not in the database yet: trying again until it is") {
			b.Unwritten[o.Transaction]++
		}
		for _, o := range lines(r.Log(), "the database has taken the end of an enrolment") {
			b.Unwritten[o.Transaction]--
		}
		for _, o := range lines(r.Log(), "failure not reported: another copy of the request has the last word") {
			b.Superseded[o.Transaction]++
		}
	}
	return b, nil
}

func (b *Books) readStored(db nosql.DB) error {
	entries, err := db.List([]byte("x509_certs"))
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("listing certificates: %w", err)
	}
	for _, e := range entries {
		c, err := x509.ParseCertificate(e.Value)
		if err != nil {
			return fmt.Errorf("reading a stored certificate: %w", err)
		}
		b.Stored[serialOf(c)] = c
	}
	if entries, err = db.List([]byte("revoked_x509_certs")); err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("listing revocations: %w", err)
	}
	for _, e := range entries {
		n, ok := new(big.Int).SetString(string(e.Key), 10)
		if !ok {
			return fmt.Errorf("revoked serial number %q", e.Key)
		}
		b.Revoked[fmt.Sprintf("%X", n.Bytes())] = true
	}
	return nil
}

// lines finds those with a message. One that the kill cut short is none.
func lines(log, msg string) []Outcome {
	var all []Outcome
	for line := range strings.Lines(log) {
		var o Outcome
		if strings.Contains(line, `"msg":"`+msg+`"`) && json.Unmarshal([]byte(line), &o) == nil {
			all = append(all, o)
		}
	}
	return all
}

// Listed returns Intune's lines about a certificate.
func (b *Books) Listed(c *x509.Certificate) []intunesim.Certificate { return listed(b.Lines, c) }

func listed(lines []intunesim.Certificate, c *x509.Certificate) []intunesim.Certificate {
	thumbprint := fmt.Sprintf("%X", sha1.Sum(c.Raw)) //nolint:gosec // as above
	var some []intunesim.Certificate
	for _, line := range lines {
		if line.Thumbprint == thumbprint {
			some = append(some, line)
		}
	}
	return some
}

// Delivered returns how many calls of an operation about a transaction Intune has
// answered with success.
func (b *Books) Delivered(operation intunesim.Operation, transaction string) int {
	n := 0
	for _, c := range b.Calls {
		if c.Operation == operation && strings.Contains(c.Body, transaction) && strings.Contains(c.Answer, `"Success"`) {
			n++
		}
	}
	return n
}
