package provisioner

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// key names what Intune approves: one certificate request at one provisioner.
type key struct {
	provisioner string
	csr         [sha256.Size]byte // of the raw request
}

func keyOf(provisioner string, csr []byte) key {
	return key{provisioner: provisioner, csr: sha256.Sum256(csr)}
}

// enrolment is one request of a device, from step-ca's SCEPCHALLENGE hook to its
// NOTIFYING hook.
type enrolment struct {
	entry         *entry
	key           key
	ctx           context.Context // of the SCEP request
	route         *chi.Context    // the same in every hook of one request; never read
	transactionID string
	requestID     string
	csr           []byte
	password      string // the challenge, to keep it out of what others say
	request       *profile.Request
	started       time.Time
	deadline      time.Time
	closed        chan struct{} // closed when another enrolment may take the key
	copies        int           // that wait for that, under the lock of enrolments
	leave         func()        // gives the place back; nil before there is one
	abandonment   *time.Timer   // ends an enrolment that step-ca does not end

	mu     sync.Mutex
	result result
}

// result is what an enrolment has come to.
type result struct {
	approved bool              // Intune answered Success for this request
	used     bool              // a certificate was asked for with the approval
	signed   *x509.Certificate // the certificate, once there is one
	claim    *report.Claim     // on the request, in the database; nil before the signing
	accepted bool              // the success notification is at Intune, or safely stored for it
	repeated bool              // the certificate was issued to an earlier copy of the request
	finished bool
	err      error // why there is no certificate, as far as the plugin decided

	validation, notification call
	signing                  time.Duration
}

// delivered reports whether the certificate left the plugin, so that step-ca may have
// stored it.
func (r *result) delivered() bool { return r.accepted && !r.repeated }

// call is one call to Intune.
type call struct {
	receipt intune.Receipt
	took    time.Duration
}

// update changes the result.
func (e *enrolment) update(f func(*result)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(&e.result)
}

// use returns whether the enrolment is approved and takes the approval: it serves once.
func (e *enrolment) use() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.result.approved || e.result.used || e.result.finished {
		return false
	}
	e.result.used = true
	return true
}

// finish returns the result of an enrolment that ends now, and false if it had ended.
func (e *enrolment) finish() (result, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.result.finished {
		return e.result, false
	}
	e.result.finished = true
	return e.result, true
}

// redact takes the challenge out of a text that somebody else wrote.
func (e *enrolment) redact(s string) string {
	if e.password == "" {
		return s
	}
	return strings.ReplaceAll(s, e.password, "***")
}
