package status

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// CA is what a [Board] asks of the running certificate authority.
type CA interface {
	// Ready returns nil when requests of devices can be served: the database answers and
	// the CA is not stopping.
	Ready(ctx context.Context) error
	// Provisioners are the Intune provisioners, in the order of their names.
	Provisioners() []Provisioner
	// Enrolling is how many enrolments are under way.
	Enrolling() int
	// Outbox is the outbox in figures, as it was read last; At is zero before that.
	Outbox() report.Snapshot
	// Reports are the reports in the outbox, nil when there is no outbox.
	Reports() Reports
}

// Provisioner is an Intune provisioner as it is now.
type Provisioner struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	// Taken are the places of MaxConcurrent that enrolments under way have, or calls to Intune
	// if these are more.
	Taken         int `json:"taken"`
	MaxConcurrent int `json:"maxConcurrent"`
	// GraphToken and IntuneToken are until when the tokens are used.
	GraphToken  time.Time `json:"graphToken,omitzero"`
	IntuneToken time.Time `json:"intuneToken,omitzero"`
}

// Board is what the listener shows. It belongs to the process: a reload of the
// configuration gives it another [CA] to ask.
type Board struct {
	version  string
	started  time.Time
	ca       atomic.Pointer[CA]
	metrics  *metrics
	recent   recent
	calls    calls
	listener listener
}

// NewBoard returns a board of a program's version.
func NewBoard(version string) *Board {
	b := &Board{version: version, started: time.Now()}
	b.metrics = newMetrics(b)
	b.listener.handler = b.handler()
	return b
}

// Show makes ca the certificate authority that is shown.
func (b *Board) Show(ca CA) {
	if before := b.ca.Swap(&ca); before != nil && *before == ca {
		return
	}
	for _, p := range ca.Provisioners() {
		b.metrics.expect(p.Name)
	}
}

// Listen serves at an address from now on, instead of the one before; an empty address
// ends the listener. After an error the one before goes on.
func (b *Board) Listen(address string, allowRemote bool, log *slog.Logger) error {
	if err := CheckAddress(address, allowRemote); err != nil {
		return err
	}
	return b.listener.move(address, allowRemote, log)
}

// Close ends the listener.
func (b *Board) Close() { b.listener.close() }

// shown returns the CA that is shown, nil while there is none.
func (b *Board) shown() CA {
	if ca := b.ca.Load(); ca != nil {
		return *ca
	}
	return nil
}
