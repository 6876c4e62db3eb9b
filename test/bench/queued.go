package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// queued is scenario (g): reports that wait in the database beside reports that devices
// wait for. The processor's time counts until Intune has heard of all certificates.
func (b *bench) queued(ctx context.Context) error {
	before, err := b.sim.Stats()
	if err != nil {
		return err
	}
	server, err := b.keep(b.newOurs(ctx, func(intune map[string]any) { intune["reporting"] = "queued" }))
	if err != nil {
		return err
	}
	defer server.Kill()
	n := b.slow[64]
	queued := &burst{name: "queued", server: server, clients: 64, enrolments: n, delay: answerTime}
	strict := &burst{name: "strict", server: b.ours, clients: 64, enrolments: n, delay: answerTime}
	// Those of the warming may be on their way still.
	known := before.Calls[intunesim.OpSuccess] + int64(b.sizes.warm)
	if _, err := b.untilKnown(ctx, known); err != nil {
		return err
	}
	for _, u := range []*burst{queued, strict} {
		u.afterwards = func(ctx context.Context, s sample) error {
			known += int64(u.enrolments)
			waited, err := b.untilKnown(ctx, known)
			s[figureUntilKnown] = milliseconds(waited)
			return err
		}
	}
	_, err = b.pairs(ctx, "g", clients(64), b.sizes.pairs, queued, strict)
	return err
}

// untilKnown waits until Intune has heard of so many certificates.
func (b *bench) untilKnown(ctx context.Context, n int64) (time.Duration, error) {
	begin := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		stats, err := b.sim.Stats()
		if err != nil {
			return 0, err
		}
		if stats.Calls[intunesim.OpSuccess] >= n {
			return time.Since(begin), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(2*time.Minute - time.Since(begin)):
			return 0, fmt.Errorf("after two minutes Intune has heard of %d certificates instead of %d", stats.Calls[intunesim.OpSuccess], n)
		}
	}
}
