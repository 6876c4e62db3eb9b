package status

import (
	"net/http"
	"time"
)

// Page is the body of /status.
type Page struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	Readiness
	Enrolling int     `json:"enrolling"` // under way
	LastHour  []Count `json:"lastHour"`
	// Refusals and Failures are the last ten of each, the newest first. A refusal is
	// Intune's, or ours of what could never become a certificate; a failure is the CA's,
	// or one to tell Intune.
	Refusals []Enrolment `json:"refusals"`
	Failures []Enrolment `json:"failures"`
}

func (b *Board) servePage(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	page := Page{Version: b.version, Started: b.started, Now: now, Readiness: b.readiness(r.Context())}
	if ca := b.shown(); ca != nil {
		page.Enrolling, page.Provisioners = ca.Enrolling(), b.tenants(ca)
	}
	page.LastHour = b.recent.counts(now)
	page.Refusals, page.Failures = b.recent.lists()
	answer(w, http.StatusOK, page)
}
