package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smallstep/nosql"
)

// What the database has to do for one enrolment with strict reporting. badger syncs each
// transaction, so that its time is the disk's.
func BenchmarkEnrolment(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) Database{
		"memory": func(*testing.B) Database { return Memory() },
		"badger": func(b *testing.B) Database { return openNoSQL(b, nosql.BadgerV2Driver, b.TempDir()) },
	} {
		b.Run(name, func(b *testing.B) {
			s, err := Open(b.Context(), open(b), nil)
			if err != nil {
				b.Fatal(err)
			}
			csr := strings.Repeat("request ", 400)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				transaction := fmt.Sprintf("%040d", i)
				enrol(b, s, Request{Provisioner: "intune", TransactionID: transaction, CAID: "CN=CA", CSR: []byte(transaction + csr)})
			}
		})
	}
}

func enrol(b *testing.B, s *Store, r Request) {
	b.Helper()
	claim, _, err := s.Begin(b.Context(), r, soon(s))
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Settle(b.Context(), r, nil); err != nil {
		b.Fatal(err)
	}
	if err := claim.Prepare(b.Context(), certificate(), false); err != nil {
		b.Fatal(err)
	}
	if err := claim.Complete(b.Context()); err != nil {
		b.Fatal(err)
	}
}
