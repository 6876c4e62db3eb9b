package report

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/nosql/database"
)

// clock is a time that tests move on.
type clock struct{ ahead atomic.Int64 }

func newClock() *clock { return &clock{} }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// storeAt opens a store whose time is the clock's.
func storeAt(t *testing.T, db Database, c *clock) *Store {
	t.Helper()
	s := openStore(t, db)
	s.now = c.Now
	return s
}

// sendFunc is a Sender.
type sendFunc func(ctx context.Context, r Report) error

func (f sendFunc) Send(ctx context.Context, r Report) error {
	meet()
	return f(ctx, r)
}

// takeBackFunc is an Orphans.
type takeBackFunc func(ctx context.Context, o Orphan) (Failure, error)

func (f takeBackFunc) TakeBack(ctx context.Context, o Orphan) (Failure, error) { return f(ctx, o) }

// noOrphans is for tests in which there are none.
func noOrphans(t *testing.T) Orphans {
	return takeBackFunc(func(_ context.Context, o Orphan) (Failure, error) {
		t.Errorf("transaction %q was taken back", o.TransactionID)
		return Failure{}, nil
	})
}

// recorder is an Intune that takes everything.
type recorder struct {
	mu      sync.Mutex
	reports []Report
}

func (r *recorder) Send(_ context.Context, report Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, report)
	return nil
}

func (r *recorder) all() []Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Report(nil), r.reports...)
}

// kinds returns what was reported for a transaction, in order.
func (r *recorder) kinds(transaction string) []Kind {
	var kinds []Kind
	for _, report := range r.all() {
		if report.TransactionID == transaction {
			kinds = append(kinds, report.Kind)
		}
	}
	return kinds
}

// certificate is one with the serial number 10203, to be reported.
var certificate = sync.OnceValue(func() *x509.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(10203), Subject: pkix.Name{CommonName: "device"},
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
})

func requestOf(transaction string) Request {
	return Request{Provisioner: "intune", TransactionID: transaction, CAID: "CN=CA", CSR: []byte("request of " + transaction)}
}

// soon is when a request of a test must have ended.
func soon(s *Store) time.Time { return s.now().Add(25 * time.Second) }

// begin claims a request that nobody has.
func begin(t *testing.T, s *Store, r Request) *Claim {
	t.Helper()
	claim, issued, err := s.Begin(t.Context(), r, soon(s))
	if err != nil || claim == nil {
		t.Fatalf("no claim but %+v, %v", issued, err)
	}
	return claim
}

// count returns how many rows a table has, but for those that lock requests.
func count(t *testing.T, s *Store, table string) int {
	t.Helper()
	entries, err := s.list(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(entries, func(e *database.Entry) bool { return string(e.Value) == string(lockValue) }))
}

// empty fails the test when a table is not empty.
func empty(t *testing.T, s *Store, tables ...string) {
	t.Helper()
	for _, table := range tables {
		if n := count(t, s, table); n > 0 {
			t.Errorf("%d rows are left in table %s", n, table)
		}
	}
}

// pass lets time pass in a bubble of synctest, until all others wait for more of it. What
// the test did before happens before what a sendFunc does meanwhile, and that before what
// the test does next: they may share variables.
func pass(d time.Duration) {
	meet()
	time.Sleep(d)
	synctest.Wait()
}

var meeting sync.Mutex

func meet() {
	meeting.Lock()
	defer meeting.Unlock()
}

// add puts a report into the outbox that belongs to no claim.
func (s *Store) add(ctx context.Context, r Report) error {
	rows, err := s.rowsOf(&r)
	if err == nil {
		err = s.commit(ctx, rows.add)
	}
	if err != nil {
		return fmt.Errorf("adding a report to the outbox: %w", err)
	}
	s.announce(rows)
	return nil
}
