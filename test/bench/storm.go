package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// storm is scenario (c): all devices ask at once, each on a connection of its own, and
// again after a FAILURE or no answer, until it has a certificate.
func (b *bench) storm(ctx context.Context) error {
	n := b.sizes.storm
	m := &Measurement{Scenario: "c", Situation: fmt.Sprintf("%d devices at once, Intune takes 100 ms", n), Sides: []string{ours, stock}}
	if err := b.delay(atOnce); err != nil {
		return err
	}
	for side, server := range []*server{b.ours, b.stock} {
		b.progress("(c) preparing %d devices for %s", n, server.name())
		messages, err := b.messages(server, n)
		if err != nil {
			return err
		}
		if err := b.calibrate(); err != nil {
			return err
		}
		b.progress("(c) a storm at %s", server.name())
		s, err := b.stormAt(ctx, server, messages)
		if err != nil {
			return err
		}
		m.add(side, s)
	}
	b.note(m)
	return b.delay(0)
}

// stormTimeout is more than any storm should take.
const stormTimeout = 5 * time.Minute

func (b *bench) stormAt(ctx context.Context, server *server, messages []*device.Message) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, stormTimeout)
	defer cancel()
	client := *server.client
	client.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	answers, latencies := make([]*device.Result, len(messages)), make([]float64, len(messages))
	errs := make([]error, len(messages))
	var attempts, cut atomic.Int64
	g := &gauge{server: server, sim: b.sim.Control}
	if err := g.begin(); err != nil {
		return nil, err
	}
	time.AfterFunc(time.Second, func() { g.look(ctx) })
	var wg sync.WaitGroup
	begin := time.Now()
	for i, m := range messages {
		wg.Go(func() {
			for pause := 4 * time.Second; answers[i] == nil; pause = min(2*pause, 30*time.Second) {
				attempts.Add(1)
				r, err := client.Exchange(ctx, m)
				switch {
				case err != nil:
					cut.Add(1)
				case r.Claimed() == scep.SUCCESS:
					answers[i], latencies[i] = r, time.Since(begin).Seconds()
					return
				}
				select {
				case <-time.After(pause/2 + rand.N(pause/2)):
				case <-ctx.Done():
					errs[i] = fmt.Errorf("a device has no certificate after %s: %w", stormTimeout, ctx.Err())
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if err := errs[firstError(errs)]; err != nil {
		return nil, err
	}
	n := float64(len(messages))
	s := sample{
		figureRate: n / took.Seconds(), figureAllDone: took.Seconds(),
		figureAttempts: float64(attempts.Load()) / n, figureCut: float64(cut.Load()),
	}
	if err := g.end(len(messages), s); err != nil {
		return nil, err
	}
	return s, checkAll(server, messages, answers, scep.SUCCESS)
}

func firstError(errs []error) int {
	for i, err := range errs {
		if err != nil {
			return i
		}
	}
	return 0
}
