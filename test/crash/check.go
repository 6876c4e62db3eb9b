package crash

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// check compares the devices with the books.
func (r *round) check(ctx context.Context) error {
	books, err := r.drained(ctx)
	if err != nil {
		return err
	}
	r.count(books)
	r.compare(books)
	return nil
}

func (r *round) compare(books *Books) {
	holders := map[string]*Device{}
	for _, d := range r.devices {
		if d.Certificate != nil {
			holders[serialOf(d.Certificate)] = d
			r.checkHeld(books, d)
		}
	}
	r.checkLines(books, holders)
	r.checkStored(books, holders)
	r.checkFailures(books, holders)
	for _, row := range books.Leftover {
		r.complain("left in the database: %s", row)
	}
}

// drained stops the CAs and reads the books; while a report is pending, they go on.
func (r *round) drained(ctx context.Context) (*Books, error) {
	deadline := time.Now().Add(patience)
	pause(ctx, 5*time.Second)
	for {
		if err := r.site.Stop(); err != nil {
			r.complain("%w", err)
		}
		books, err := r.site.Books(ctx)
		if err != nil {
			return nil, err
		}
		if books.Pending() == 0 && len(books.Leftover) == 0 || time.Now().After(deadline) {
			return books, nil
		}
		for _, replica := range r.site.Replicas {
			if err := replica.Start(ctx); err != nil {
				return nil, err
			}
		}
		pause(ctx, 20*time.Second)
	}
}

// checkHeld: a certificate in a device's hands is listed as issued exactly once,
// stored, and not revoked.
func (r *round) checkHeld(b *Books, d *Device) {
	lines := b.Listed(d.Certificate)
	serial := serialOf(d.Certificate)
	if len(lines) != 1 || lines[0].State != intunesim.StateIssued || lines[0].TransactionID != d.Message.TransactionID {
		r.complain("%s holds %s, transaction %s, and Intune lists %s", d.Name, serial, d.Message.TransactionID, describe(lines))
	}
	if b.Stored[serial] == nil || b.Revoked[serial] {
		r.complain("%s holds %s, stored by step-ca %t, revoked %t", d.Name, serial, b.Stored[serial] != nil, b.Revoked[serial])
	}
}

// checkLines: what Intune lists as issued is in somebody's hands.
func (r *round) checkLines(b *Books, holders map[string]*Device) {
	withheld := map[string]bool{}
	for _, o := range b.Outcomes {
		if o.Outcome == "unreported" {
			withheld[o.Serial] = true
		}
	}
	for _, line := range b.Lines {
		if line.State != intunesim.StateIssued || holders[line.SerialNumber] != nil {
			continue
		}
		if withheld[line.SerialNumber] {
			// Intune took the notification, and each answer to it was lost.
			r.figures.Duplicate++
			continue
		}
		r.complain("Intune lists %s of %s as issued, and nobody holds it", line.SerialNumber, line.DeviceID)
	}
}

// checkStored: what step-ca has stored is in somebody's hands or revoked, and then
// Intune does not list it as issued.
func (r *round) checkStored(b *Books, holders map[string]*Device) {
	for serial, c := range b.Stored {
		if c.Subject.CommonName == "" || holders[serial] != nil || len(c.DNSNames) > 0 {
			continue // step-ca's own
		}
		if !b.Revoked[serial] {
			r.complain("nobody holds %s of %s, and it is not revoked", serial, c.Subject.CommonName)
		}
		for _, line := range b.Listed(c) {
			if line.State == intunesim.StateIssued {
				r.complain("%s of %s is revoked, and Intune lists it as issued", serial, c.Subject.CommonName)
			}
		}
	}
}

// checkFailures: each failure of an approved request has been reported, or its report
// is listed as dead, or another copy of the request has got a certificate.
func (r *round) checkFailures(b *Books, holders map[string]*Device) {
	dead := map[string]int{}
	for _, report := range b.Reports {
		if !report.Dead {
			r.complain("the %s report of %s is still pending after %d attempts: %s", report.Kind, report.Transaction, report.Attempts, report.Error)
			continue
		}
		dead[report.Transaction]++
	}
	held := map[string]bool{} // transactions that ended in a certificate
	for _, d := range holders {
		held[d.Message.TransactionID] = true
	}
	failed := map[string]int{}
	for _, o := range b.Outcomes {
		// An end that could not be written down may have been written all the same; a
		// repeat has then brought the certificate to its device.
		if o.mustBeReported() && holders[o.Serial] == nil {
			failed[o.Transaction]++
		}
	}
	for transaction, n := range failed {
		reported := b.Delivered(intunesim.OpFailure, transaction)
		missing := n - reported - dead[transaction]
		if held[transaction] {
			missing -= b.Superseded[transaction]
		}
		switch {
		case missing <= 0:
		case b.Unwritten[transaction] >= missing:
			r.figures.Lost += missing
		default:
			r.complain("transaction %s failed %d times, %d reported, %d dead", transaction, n, reported, dead[transaction])
		}
	}
}

// mustBeReported says that the CA failed after Intune had approved. What failed before
// has no certificate, or names the question.
func (o Outcome) mustBeReported() bool {
	if o.Outcome != "failed" || o.Repeated || strings.Contains(o.Err, "earlier copy of the same request") {
		return false
	}
	return o.Serial != "" || o.Err != "" && o.Code == nil && !strings.Contains(o.Err, "waiting for Intune")
}

func (r *round) count(b *Books) {
	for _, d := range r.devices {
		if d.Certificate != nil {
			r.figures.Issued++
		}
	}
	r.figures.Calls = len(b.Calls)
	for _, c := range b.Calls {
		if c.Status != 200 {
			r.figures.Faults++
		}
		if c.Operation == intunesim.OpFailure && c.Status == 200 {
			r.figures.Failures++
		}
	}
	r.figures.TakenBack = len(b.Revoked)
	for _, report := range b.Reports {
		if report.Dead {
			r.figures.Dead++
		}
	}
}

func describe(lines []intunesim.Certificate) string {
	if len(lines) == 0 {
		return "nothing"
	}
	text := ""
	for _, l := range lines {
		text += fmt.Sprintf("[%s %s as %s %s] ", l.TransactionID, l.SerialNumber, l.State, l.ErrorDescription)
	}
	return text
}
