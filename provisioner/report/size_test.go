package report

import (
	"errors"
	"strings"
	"testing"
)

// largest returns the largest request that fits, to the byte.
func largest(t *testing.T, fits func(r Request) int) Request {
	t.Helper()
	r := requestOf("t")
	r.TransactionID += strings.Repeat("x", MaxRecord-fits(r))
	if n := fits(r); n != MaxRecord {
		t.Fatalf("it is %d bytes", n)
	}
	return r
}

func TestTheLargestRecordIsKeptAndALargerOneRefused(t *testing.T) {
	size := func(t *testing.T, r row) int {
		value, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		return len(value)
	}
	onEach(t, func(t *testing.T, open func() Database) {
		s := openStore(t, open())
		room := make([]byte, certificateRoom)
		r := largest(t, func(r Request) int { return size(t, &journalData{Request: r, Certificate: room}) })
		claim := begin(t, s, r)
		if err := claim.Prepare(t.Context(), certificate(), false); err != nil {
			t.Fatal(err)
		}
		if err := claim.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := count(t, s, tableTickets)
		r.TransactionID += "x"
		if _, _, err := s.Begin(t.Context(), r, soon(s)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("one byte more: %v", err)
		}
		if after := count(t, s, tableTickets); after != before {
			t.Errorf("it left %d rows", after-before)
		}

		report := failureReport("t")
		report.Request = largest(t, func(r Request) int { return size(t, &Report{KindFailure, r, nil, report.Failure}) })
		add(t, s, report)
		var got recorder
		NewDelivery(s, &got, noOrphans(t), 1).Drain(t.Context())
		if all := got.all(); len(all) != 1 || all[0].TransactionID != report.TransactionID {
			t.Errorf("%d reports were sent, not the one that was written", len(all))
		}
		report.TransactionID += "x"
		if err := s.add(t.Context(), report); !errors.Is(err, ErrTooLarge) {
			t.Errorf("one byte more: %v", err)
		}
		empty(t, s, tableOutbox, tableOutboxData)
	})
}

func TestARequestThatDoesNotFitIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	s := openStore(t, Memory())
	r := requestOf("t")
	r.CSR = make([]byte, 40_000)
	if _, _, err := s.Begin(t.Context(), r, soon(s)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("40,000 bytes: %v", err)
	}
	empty(t, s, tableRequests, tableTickets)
	r.CSR = make([]byte, 30_000)
	if err := begin(t, s, r).Prepare(t.Context(), certificate(), true); err != nil {
		t.Errorf("30,000 bytes: %v", err)
	}
}
