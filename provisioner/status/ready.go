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
	Ready        bool     `json:"ready"`
	Reason       string   `json:"reason,omitempty"` // why it is not
	Provisioners []Tenant `json:"provisioners"`
	Reports      Figures  `json:"reports"`
}

// Tenant is a provisioner with what is known of Microsoft's side.
type Tenant struct {
	Provisioner
	// Answered is when Microsoft has answered last, also with a refusal.
	Answered time.Time `json:"answered,omitzero"`
	// Faults are the operations that fail. A failure of one attempt counts until the next
	// one succeeds.
	Faults []Fault `json:"faults,omitempty"`
}

// Figures is the outbox in figures.
type Figures struct {
	Pending int       `json:"pending"`
	Dead    int       `json:"dead"`
	Oldest  time.Time `json:"oldest,omitzero"` // pending report
	At      time.Time `json:"at,omitzero"`     // when the outbox was read; not yet when missing
}

// readiness asks the CA. Its texts are for everybody who may reach the listener: errors of
// Microsoft, which name transactions, are left out.
func (b *Board) readiness(ctx context.Context) Readiness {
	ca := b.shown()
	if ca == nil {
		return Readiness{Reason: "the CA is starting"}
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	r := Readiness{Ready: true, Provisioners: b.tenants(ca), Reports: figuresOf(ca)}
	for _, t := range r.Provisioners {
		for i := range t.Faults {
			t.Faults[i].Error = ""
		}
	}
	if err := ca.Ready(ctx); err != nil {
		r.Ready, r.Reason = false, err.Error()
	}
	return r
}

func figuresOf(ca CA) Figures {
	s := ca.Outbox()
	return Figures{Pending: s.Pending, Dead: s.Dead, Oldest: s.Oldest, At: s.At}
}

func (b *Board) tenants(ca CA) []Tenant {
	all := []Tenant{}
	for _, p := range ca.Provisioners() {
		answered, faults := b.calls.of(p.Name)
		all = append(all, Tenant{Provisioner: p, Answered: answered, Faults: faults})
	}
	return all
}

func (b *Board) serveReadiness(w http.ResponseWriter, r *http.Request) {
	body, status := b.readiness(r.Context()), http.StatusOK
	if !body.Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, body)
}
