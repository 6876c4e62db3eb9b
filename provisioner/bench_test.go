package provisioner

import (
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/go-chi/chi/v5"
)

// All requests of a CA meet at its approvals: opened by the first hook, found and used for
// the signing, found and closed by the last hook.
func BenchmarkApprovals(b *testing.B) {
	all := newEnrolments(maxEnrolments)
	var serial atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		csr := make([]byte, 3000)
		for pb.Next() {
			binary.BigEndian.PutUint64(csr, serial.Add(1))
			e := &enrolment{key: keyOf("intune", csr), route: new(chi.Context), closed: make(chan struct{})}
			if err := all.open(b.Context(), e, nil); err != nil {
				b.Error(err)
				return
			}
			e.update(func(r *result) { r.approved = true })
			if found := all.find(keyOf("intune", csr)); found != e || !e.use() {
				b.Error("the approval is not there")
			}
			if all.findRoute(e.route) != e {
				b.Error("the request is not there")
			}
			all.close(e)
		}
	})
}

func BenchmarkPlaces(b *testing.B) {
	l := newLimiter(defaultMaxConcurrent)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			end, err := l.enrolment(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			release, err := l.validation(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			release()
			end()
		}
	})
}
