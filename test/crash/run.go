package crash

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/postgres"
)

// Plan says what to play.
type Plan struct {
	Rounds int
	Seed   uint64 // of the first round; the others count on
	// Busy is how many rounds enrol at once, Open how many there are at once in all.
	Busy, Open int
	// Bin holds the programs, Dir takes files. What a failing round leaves stays there.
	Bin, Dir string
	// Keep leaves the files of all rounds.
	Keep bool
}

// Run plays rounds, writes about each of them, and returns the figures of each
// combination. A round that finds something wrong is no error.
func Run(ctx context.Context, p Plan, w io.Writer) (*Summary, error) {
	server, err := postgres.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	device.Keys(8)
	summary := &Summary{Begin: time.Now(), figures: map[string]*Figures{}}
	var wg sync.WaitGroup
	busy, open := make(chan struct{}, p.Busy), make(chan struct{}, p.Open)
	for i := range p.Rounds {
		select {
		case open <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		wg.Go(func() {
			defer func() { <-open }()
			r := newRound(p.Seed + uint64(i))
			err := r.play(ctx, p.Bin, p.Dir, server, busy)
			summary.add(r, err, w, filepath.Join(p.Dir, fmt.Sprintf("round-%d", r.seed)), p.Keep)
		})
	}
	wg.Wait()
	return summary, nil
}
