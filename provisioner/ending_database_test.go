package provisioner

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/nosql/database"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// awayDB is a database that can be out of reach.
type awayDB struct {
	report.Database
	away atomic.Bool
}

var errAway = errors.New("the database is away")

func (d *awayDB) Get(table, key []byte) ([]byte, error) {
	if d.away.Load() {
		return nil, errAway
	}
	return d.Database.Get(table, key)
}

func (d *awayDB) Update(tx *database.Tx) error {
	if d.away.Load() {
		return errAway
	}
	return d.Database.Update(tx)
}

// useDatabase exchanges the database of a bench.
func (b *bench) useDatabase(t *testing.T, db report.Database) {
	t.Helper()
	b.stopDelivery()
	s, err := openState(db, false, b.log)
	if err != nil {
		t.Fatal(err)
	}
	b.instance.state = s
	s.deliver(b.instance)
}

func TestAFailureIsReportedWhenTheDatabaseIsBack(t *testing.T) {
	for _, name := range []string{"before the claim", "after it"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, db := newBench(t), &awayDB{Database: report.Memory()}
				b.useDatabase(t, db)
				csr, ctx := pkcs10(t), routed(t.Context())
				b.mustAllow(t, ctx, csr)
				if name == "after it" {
					b.inner = slow{b.inner, func() { db.away.Store(true) }}
				} else {
					db.away.Store(true)
				}
				if _, err := b.sign(t, csr); err == nil {
					t.Fatal("issued")
				}
				b.failure(ctx, csr, "error creating certificate")
				time.Sleep(3 * time.Minute)
				if n := len(b.client.failed); n != 0 {
					t.Fatalf("%d reports without a database", n)
				}
				db.away.Store(false)
				b.client.wantFailure(t)
				synctest.Wait()
				if n := len(b.instance.state.endings); n != 0 {
					t.Errorf("%d ends still wait", n)
				}
			})
		})
	}
}

// A repeat fails without a database, and another gets the certificate before the first
// one's end is written: that end is no longer true.
func TestAnEndThatComesTooLateDoesNotUndoACertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, db := newBench(t), &awayDB{Database: report.Memory()}
		b.useDatabase(t, db)
		csr, first, second := pkcs10(t), routed(t.Context()), routed(t.Context())
		b.mustAllow(t, first, csr)
		db.away.Store(true)
		if _, err := b.sign(t, csr); err == nil {
			t.Fatal("issued")
		}
		b.failure(first, csr, "error creating certificate")
		time.Sleep(time.Minute) // the next attempt comes later than the repeat
		db.away.Store(false)
		b.mustAllow(t, second, csr)
		cert, err := b.sign(t, csr)
		if err != nil {
			t.Fatal(err)
		}
		b.issued(second, csr, cert)
		time.Sleep(5 * time.Minute)
		if n := len(b.client.failed); n != 0 {
			t.Errorf("%d failures were reported", n)
		}
	})
}

func TestAStopNamesTheEndsThatAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, db := newBench(t), &awayDB{Database: report.Memory()}
		b.useDatabase(t, db)
		csr, ctx := pkcs10(t), routed(t.Context())
		b.mustAllow(t, ctx, csr)
		db.away.Store(true)
		if _, err := b.sign(t, csr); err == nil {
			t.Fatal("issued")
		}
		b.failure(ctx, csr, "error creating certificate")
		begin := time.Now()
		b.instance.state.end()
		if took := time.Since(begin); took > stopTimeout {
			t.Errorf("the stop took %s", took)
		}
		if lines := b.out.lines("may be lost"); len(lines) != 1 {
			t.Errorf("logged %q", b.out.String())
		}
	})
}

// torn goes away for a while after a write that adds a row to the table of requests.
type torn struct {
	*awayDB
	silently bool // the write seems to have failed
}

func (d *torn) Update(tx *database.Tx) error {
	away := d.away.Load()
	err := d.awayDB.Update(tx)
	if !away && err == nil && string(tx.Operations[len(tx.Operations)-1].Bucket) == "intune_request_tickets" {
		d.away.Store(true)
		time.AfterFunc(3*time.Second, func() { d.away.Store(false) })
		if d.silently {
			return errAway
		}
	}
	return err
}

// What an end has written before the database went away is no other copy of the request.
func TestAFailureIsReportedWhenTheDatabaseGoesAwayInTheMiddle(t *testing.T) {
	for name, silently := range map[string]bool{"after the claim": false, "with the answer to the claim": true} {
		for _, signed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in the signing %t", name, signed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t)
					b.useDatabase(t, &torn{awayDB: &awayDB{Database: report.Memory()}, silently: silently})
					csr, ctx := pkcs10(t), routed(t.Context())
					b.mustAllow(t, ctx, csr)
					if signed {
						if _, err := b.sign(t, csr); err == nil {
							t.Fatal("issued")
						}
					}
					b.failure(ctx, csr, "policy")
					time.Sleep(2 * time.Minute)
					if n := len(b.client.failed); n != 1 {
						t.Errorf("%d failures were reported: %s", n, b.out.String())
					}
				})
			})
		}
	}
}

// brokenWrites is a database that can be read.
type brokenWrites struct {
	report.Database
	broken atomic.Bool
}

func (d *brokenWrites) Update(tx *database.Tx) error {
	if d.broken.Load() {
		return errAway
	}
	return d.Database.Update(tx)
}

// A certificate that is gone, as after a revocation, is replaced; when the database does
// not take the new claim, the error says so.
func TestARequestThatCannotBeginAnewFailsForThatReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, db := newBench(t), &brokenWrites{Database: report.Memory()}
		b.useDatabase(t, db)
		csr, first, second := pkcs10(t), routed(t.Context()), routed(t.Context())
		b.mustAllow(t, first, csr)
		cert, err := b.sign(t, csr)
		if err != nil {
			t.Fatal(err)
		}
		b.issued(first, csr, cert)
		b.instance.issued.forget(keyOf(b.name, csr))
		b.mustAllow(t, second, csr)
		db.broken.Store(true)
		if _, err := b.sign(t, csr); !errors.Is(err, errAway) {
			t.Errorf("got %v", err)
		}
		db.broken.Store(false)
		b.failure(second, csr, "error creating certificate")
	})
}
