package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// put writes a row.
func put(t *testing.T, s *Store, table, key, value string) {
	t.Helper()
	if err := s.commit(t.Context(), func(tx *transaction) { tx.set(table, key, []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBeReadIsSetAsideAndTheRestGoesOn(t *testing.T) {
	for _, table := range []string{tableOutbox, tableOutboxData} {
		t.Run(table, func(t *testing.T) {
			onEach(t, func(t *testing.T, open func() Database) {
				s := openStore(t, open())
				var log bytes.Buffer
				s.log = slog.New(slog.NewTextHandler(&log, nil))
				add(t, s, failureReport("bad"), failureReport("good"))
				bad, err := s.readOutbox(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				put(t, s, table, bad[0].id, "\x00garbage\xff")
				var got recorder
				NewDelivery(s, &got, noOrphans(t), 8).Drain(t.Context())
				if all := got.all(); len(all) != 1 || all[0].TransactionID != "good" {
					t.Errorf("sent %+v", all)
				}
				aside, err := s.list(t.Context(), tableUnreadable)
				if err != nil || len(aside) == 0 || string(aside[0].Key) != table+"/"+bad[0].id && string(aside[1].Key) != table+"/"+bad[0].id {
					t.Errorf("set aside: %v, %v", aside, err)
				}
				if !strings.Contains(log.String(), "unreadable row set aside") {
					t.Errorf("the log says %s", log.String())
				}
				empty(t, s, tableOutbox)
			})
		})
	}
}

func TestARequestWhoseStateCannotBeReadBeginsAnew(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		s := openStore(t, open())
		for i, value := range []string{"garbage", `{"v":1}`, `{"v":1,"r":null}`, `{"v":0,"r":{}}`, `{"v":1,"r":{"state":"odd","token":"x"}}`} {
			r := requestOf(fmt.Sprint(i))
			put(t, s, tableRequests, keyOf(r.Provisioner, r.CSR), value)
			claim := begin(t, s, r)
			if err := claim.Prepare(t.Context(), certificate(), false); err != nil {
				t.Fatal(err)
			}
			if err := claim.Complete(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := count(t, s, tableUnreadable); n != i+1 {
				t.Errorf("%q: %d rows set aside", value, n)
			}
		}
	})
}

func TestRowsOfANewerReleaseAreLeftToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Memory())
		var log bytes.Buffer
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		newer := `{"v":2,"r":{"state":"teleported"}}`
		r := requestOf("t")
		put(t, s, tableRequests, keyOf(r.Provisioner, r.CSR), newer)
		put(t, s, tableTickets, ticketOf(keyOf(r.Provisioner, r.CSR), "future"), "1")
		put(t, s, tableJournal, "future", newer)
		put(t, s, tableOutbox, "future", newer)
		var got recorder
		_, stop := start(t, s, &got, 8)
		defer stop()
		add(t, s, failureReport("t"))
		pass(2 * time.Hour)
		if _, _, err := s.Begin(t.Context(), r, soon(s)); err == nil {
			t.Error("a request of a newer release was begun")
		}
		for _, table := range []string{tableRequests, tableTickets, tableJournal, tableOutbox} {
			if n := count(t, s, table); n != 1 {
				t.Errorf("table %s has %d rows", table, n)
			}
		}
		empty(t, s, tableUnreadable)
		if n := strings.Count(log.String(), "row left to the newer release"); n != 2 || len(got.all()) != 1 {
			t.Errorf("%d warnings, %d reports sent", n, len(got.all()))
		}
	})
}

func TestAFieldOfANewerReleaseIsIgnored(t *testing.T) {
	var o outboxRow
	if err := decode([]byte(`{"v":1,"r":{"state":"pending","group":"g","created":1,"colour":"red"},"x":1}`), &o); err != nil || o.Group != "g" {
		t.Errorf("%+v, %v", o, err)
	}
}

// records returns one row of each kind, as it is written.
func records(t testing.TB) [][]byte {
	report, s := failureReport("t"), &Store{now: time.Now}
	var all [][]byte
	for _, r := range []row{
		&claimRow{State: statePrepared, Token: "t", Transaction: "x", Serial: "1", At: 1, Until: 2},
		&journalRow{Provisioner: "intune", At: 1, Data: "d", Until: 2, Sweeps: 3},
		&journalData{Request: requestOf("t"), Certificate: []byte("c")},
		&report, s.newRow(&report),
	} {
		value, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, value)
	}
	return all
}

var hostile = []string{
	"", "null", "[]", "1", `{"v":1,"r":[]}`, `{"v":-1,"r":{}}`, `{"v":1e99}`, `{"v":1,"r":{}}{}`,
	`{"v":1,"r":{"state":"pending","group":"g","created":1,"attempts":-1}}`,
	`{"v":1,"r":{"state":"pending","group":"g","created":1,"attempts":9223372036854775807}}`,
	`{"v":1,"r":{"state":"pending","group":"g","created":-9223372036854775808,"since":-9223372036854775808}}`,
	`{"v":1,"r":{"state":"pending","group":"g","created":1,"next":9223372036854775807}}`,
	`{"v":1,"r":{"state":"pending","group":"g","created":1,"until":9223372036854775807,"owner":"o"}}`,
	`{"v":1,"r":{"at":-9223372036854775808,"data":"d"}}`, `{"v":1,"r":{"at":1,"data":"\u0000"}}`,
	`{"v":1,"r":{"state":"open","token":"t","until":-9223372036854775808}}`,
	`{"v":1,"r":{"state":"issued","token":"t","at":9223372036854775807}}`,
}

func FuzzRecord(f *testing.F) {
	for _, value := range records(f) {
		f.Add(value)
	}
	for _, value := range hostile {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, r := range []row{&claimRow{}, &journalRow{}, &journalData{}, &Report{}, &outboxRow{}} {
			if decode(value, r) != nil {
				continue
			}
			written, err := encode(r)
			if err != nil {
				continue // what is not UTF-8 grows
			}
			again := reflect.New(reflect.TypeOf(r).Elem()).Interface().(row)
			if err := decode(written, again); err != nil {
				t.Fatalf("%s became %s: %v", value, written, err)
			}
			first, _ := json.Marshal(r)
			if second, _ := json.Marshal(again); !bytes.Equal(first, second) {
				t.Fatalf("%s became %s", first, second)
			}
		}
	})
}

// Whatever stands in the tables, in the wrong table too, the rest goes on.
func TestNoRowStopsTheRest(t *testing.T) {
	values := records(t)
	for _, value := range values[:len(values):len(values)] {
		values = append(values, value[:len(value)/2], bytes.ReplaceAll(value, []byte(":"), []byte(":-")))
	}
	for _, value := range hostile {
		values = append(values, []byte(value))
	}
	for _, value := range values {
		synctest.Test(t, func(t *testing.T) {
			s := openStore(t, Memory())
			key := keyOf("intune", requestOf("t").CSR)
			for table, key := range map[string]string{
				tableRequests: key, tableTickets: "odd", tableJournal: ticketOf(key, "t"), tableJournalData: "d",
				tableOutbox: "0", tableOutboxData: "0", tableUnreadable: "odd",
			} {
				put(t, s, table, key, string(value))
			}
			if err := begin(t, s, requestOf("orphan")).Prepare(t.Context(), certificate(), true); err != nil {
				t.Fatal(err)
			}
			// A row that makes sense beside a report that can be sent, but is not accepted.
			odd := failureReport("odd")
			data, err := encode(&odd)
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, tableOutbox, "1", string(value))
			put(t, s, tableOutboxData, "1", string(data))
			var got recorder
			sender := sendFunc(func(ctx context.Context, r Report) error {
				if r.TransactionID == "odd" {
					return errors.New("not this one")
				}
				return got.Send(ctx, r)
			})
			w := &world{}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go NewDelivery(s, sender, w, 8).Run(ctx)
			add(t, s, failureReport("good"))
			pass(2 * time.Minute)
			if len(got.kinds("good")) != 1 || !slices.Contains(w.revoked, "orphan") {
				t.Errorf("beside %s: sent %d reports, taken back %q", value, len(got.kinds("good")), w.revoked)
			}
		})
	}
}
