package report

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/nosql/database"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

func described(transaction, text string) Report {
	r := failureReport(transaction)
	r.Description = text
	return r
}

func TestSettleDeliversWhatATransactionStillHas(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func() Database) {
		s := openStore(t, open())
		add(t, s, described("mine", "first"), described("other", "not asked for"), described("mine", "second"))
		var got recorder
		if err := s.Settle(t.Context(), requestOf("mine"), &got); err != nil {
			t.Fatal(err)
		}
		var sent []string
		for _, r := range got.all() {
			sent = append(sent, r.Description)
		}
		if want := []string{"first", "second"}; !slices.Equal(sent, want) {
			t.Errorf("sent %q, not %q", sent, want)
		}
		if r := only(t, s); r.Transaction != "other" {
			t.Errorf("left %+v", r)
		}
		if err := s.Settle(t.Context(), requestOf("mine"), &got); err != nil || len(got.all()) != 2 {
			t.Errorf("a second time: %v, %d reports sent", err, len(got.all()))
		}
	})
}

func TestSettleFailsWhileAReportCannotBeDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		add(t, s, failureReport("t"))
		err := s.Settle(t.Context(), requestOf("t"), sendFunc(func(context.Context, Report) error { return errUnavailable }))
		if !errors.Is(err, ErrUnsettled) || errors.Is(err, intune.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if r := only(t, s); r.Dead || r.Attempts != 1 || r.Error == "" {
			t.Errorf("the report: %+v", r)
		}
	})
}

func TestADeadReportStandsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		add(t, s, failureReport("t"))
		asked := 0
		for range 2 {
			err := s.Settle(t.Context(), requestOf("t"), sendFunc(func(context.Context, Report) error { asked++; return errRefused }))
			if err != nil {
				t.Fatal(err)
			}
		}
		if r := only(t, s); !r.Dead || asked != 1 {
			t.Errorf("asked %d times: %+v", asked, r)
		}
	})
}

// Another replica may be sending it, or may have died while it did.
func TestSettleWaitsForWhoSendsAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := Memory()
		other, s := openStore(t, db), openStore(t, db)
		add(t, other, failureReport("t"))
		sending, answered := make(chan struct{}), make(chan struct{})
		_, stop := start(t, other, sendFunc(func(context.Context, Report) error {
			close(sending)
			<-answered
			return nil
		}), 1)
		defer stop()
		<-sending
		var got recorder
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Settle(short, requestOf("t"), &got); !errors.Is(err, ErrUnsettled) {
			t.Errorf("while it is being sent: %v", err)
		}
		settled := make(chan error)
		go func() { settled <- s.Settle(t.Context(), requestOf("t"), &got) }()
		time.Sleep(time.Second)
		close(answered)
		if err := <-settled; err != nil || len(got.all()) != 0 {
			t.Errorf("afterwards: %v, sent again %d times", err, len(got.all()))
		}
	})
}

// slowList counts how often the outbox is read, and takes a while.
type slowList struct {
	Database
	mu    sync.Mutex
	reads int
}

func (d *slowList) List(table []byte) ([]*database.Entry, error) {
	entries, err := d.Database.List(table)
	if string(table) == tableOutbox {
		d.mu.Lock()
		d.reads++
		d.mu.Unlock()
		time.Sleep(time.Second)
	}
	return entries, err
}

func TestManyWhoSettleAtOnceShareTheReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &slowList{Database: Memory()}
		s := openStore(t, db)
		add(t, s, failureReport(neighbour("t")))
		var got recorder
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if err := s.Settle(t.Context(), requestOf("t"), &got); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if db.reads < 1 || db.reads > 2 {
			t.Errorf("1000 at once read %d times", db.reads)
		}
	})
}

// A reading that began before a report was added must not serve who asks after it.
func TestSettleSeesWhatWasAddedBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &slowList{Database: Memory()}
		s := openStore(t, db)
		add(t, s, failureReport(neighbour("early")))
		var got recorder
		done := make(chan error)
		go func() { done <- s.Settle(t.Context(), requestOf("early"), &got) }()
		time.Sleep(time.Second / 2)
		synctest.Wait()
		add(t, s, failureReport("t"))
		if err := s.Settle(t.Context(), requestOf("t"), &got); err != nil {
			t.Error(err)
		}
		if len(got.all()) != 1 {
			t.Errorf("sent %d reports", len(got.all()))
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
