package status

import (
	"context"
	"net/http"
	"time"
)

// readyTimeout bounds how long the database may take: load balancers wait for seconds.
const readyTimeout = 2 * time.Second

// Readiness is the body of /readyz. What is wrong at Microsoft stands in it and does not
// make the CA unready: no other replica would fare better.
type Readiness struct {
	Ready        bool          `json:"ready"`
	Reason       string        `json:"reason,omitempty"` // why it is not
	Provisioners []Provisioner `json:"provisioners"`
}

func (b *Board) readiness(ctx context.Context) Readiness {
	ca := b.shown()
	if ca == nil {
		return Readiness{Reason: errStarting.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	r := Readiness{Ready: true, Provisioners: ca.Provisioners()}
	if err := ca.Ready(ctx); err != nil {
		r.Ready, r.Reason = false, err.Error()
	}
	return r
}

func (b *Board) serveReadiness(w http.ResponseWriter, r *http.Request) {
	body, status := b.readiness(r.Context()), http.StatusOK
	if !body.Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, body)
}
