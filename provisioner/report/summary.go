package report

import (
	"context"
	"time"
)

// Summary is a report for people.
type Summary struct {
	ID          string    `json:"id"`
	Kind        Kind      `json:"kind"`
	Dead        bool      `json:"dead"` // no longer tried
	Provisioner string    `json:"provisioner"`
	Transaction string    `json:"transaction"`            // the beginning of the SCEP transaction id
	Serial      string    `json:"serialNumber,omitempty"` // hexadecimal, of a success
	Created     time.Time `json:"created"`
	Attempts    int       `json:"attempts"`
	Next        time.Time `json:"next"` // attempt, not before
	Error       string    `json:"error,omitempty"`
}

// Reports returns everything in the outbox, the oldest first.
func (s *Store) Reports(ctx context.Context) ([]Summary, error) {
	all, err := s.readOutbox(ctx, nil)
	if err != nil {
		return nil, err
	}
	summaries := make([]Summary, 0, len(all))
	for _, q := range all {
		summaries = append(summaries, q.summary())
	}
	return summaries, nil
}

func (q *queued) summary() Summary {
	r := &q.row
	return Summary{
		ID: q.id, Kind: r.Kind, Dead: r.State == stateDead, Provisioner: r.Provisioner, Transaction: r.Transaction,
		Serial: r.Serial, Created: r.Created.time(), Attempts: r.Attempts, Next: r.Next.time(), Error: r.Error,
	}
}

// Snapshot is the outbox in figures.
type Snapshot struct {
	At      time.Time // when it was read; zero before the first time
	Pending int
	Dead    int
	Oldest  time.Time // creation of the oldest pending report, zero without one
}

func snapshotOf(all []*queued, now time.Time) Snapshot {
	s := Snapshot{At: now}
	for _, q := range all {
		if q.row.State == stateDead {
			s.Dead++
			continue
		}
		s.Pending++
		if created := q.row.Created.time(); s.Oldest.IsZero() || created.Before(s.Oldest) {
			s.Oldest = created
		}
	}
	return s
}

// Snapshot reads the outbox and counts.
func (s *Store) Snapshot(ctx context.Context) (Snapshot, error) {
	all, err := s.readOutbox(ctx, nil)
	if err != nil {
		return Snapshot{}, err
	}
	return snapshotOf(all, s.now()), nil
}
