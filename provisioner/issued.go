package provisioner

import (
	"sync"
	"time"

	"github.com/smallstep/certificates/cas/apiv1"
)

const (
	// issuedFor is how long the same request gets the certificate already issued: a device
	// asks again when it missed the answer.
	issuedFor = 15 * time.Minute
	// maxIssued bounds the certificates that are remembered; the oldest go first.
	maxIssued = 10_000
)

// issuedCertificates remembers the certificates that Intune has accepted lately, by
// request. What it forgets is simply enrolled anew.
type issuedCertificates struct {
	mu    sync.Mutex
	byKey map[key]*issuedCertificate
	order []*issuedCertificate // oldest first
	limit int
	now   func() time.Time
}

type issuedCertificate struct {
	key      key
	response *apiv1.CreateCertificateResponse
	at       time.Time
}

func newIssuedCertificates(limit int, now func() time.Time) *issuedCertificates {
	return &issuedCertificates{byKey: map[key]*issuedCertificate{}, limit: limit, now: now}
}

func (s *issuedCertificates) remember(k key, r *apiv1.CreateCertificateResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &issuedCertificate{key: k, response: r, at: s.now()}
	s.byKey[k] = c
	s.order = append(s.order, c)
	for len(s.order) > s.limit || s.now().Sub(s.order[0].at) > issuedFor {
		oldest := s.order[0]
		s.order[0], s.order = nil, s.order[1:]
		if s.byKey[oldest.key] == oldest {
			delete(s.byKey, oldest.key)
		}
	}
}

// recall returns the certificate that was issued for the request, or nil.
func (s *issuedCertificates) recall(k key) *apiv1.CreateCertificateResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byKey[k]; c != nil && s.now().Sub(c.at) <= issuedFor {
		return c.response
	}
	return nil
}

// forget drops a certificate that must not be handed out again.
func (s *issuedCertificates) forget(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byKey, k)
}
