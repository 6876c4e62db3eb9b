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
	if err := b.delay(answerTime); err != nil {
		return err
	}
	defer b.note(m)
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
	return b.delay(0)
}

// stormTimeout ends a storm: who has no certificate then counts as one without.
const stormTimeout = 5 * time.Minute

func (b *bench) stormAt(ctx context.Context, server *server, messages []*device.Message) (sample, error) {
	storming, cancel := context.WithTimeout(ctx, stormTimeout)
	defer cancel()
	client := *server.client
	client.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	g := &gauge{server: server, sim: b.sim.Control}
	if err := g.begin(); err != nil {
		return nil, err
	}
	answers, latencies := make([]*device.Result, len(messages)), make([]time.Duration, len(messages))
	var attempts, cut, lost, done atomic.Int64
	end := func() {
		if int(done.Add(1)) == max(1, len(messages)/2) {
			g.look(ctx)
		}
	}
	var wg sync.WaitGroup
	begin := time.Now()
	for i, m := range messages {
		wg.Go(func() {
			defer end()
			for pause := 4 * time.Second; answers[i] == nil; pause = min(2*pause, 30*time.Second) {
				attempts.Add(1)
				r, err := client.Exchange(storming, m)
				switch {
				case err != nil:
					cut.Add(1)
				case r.Claimed() == scep.SUCCESS:
					answers[i], latencies[i] = r, time.Since(begin)
					return
				}
				select {
				case <-time.After(pause/2 + rand.N(pause/2)):
				case <-storming.Done():
					lost.Add(1)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	n := float64(len(messages))
	var asked []*device.Message
	var got []*device.Result
	var waited []time.Duration
	for i, a := range answers {
		if a != nil {
			asked, got, waited = append(asked, messages[i]), append(got, a), append(waited, latencies[i])
		}
	}
	s := latenciesOf(waited)
	s[figureRate], s[figureLost] = float64(len(got))/took.Seconds(), float64(lost.Load())
	s[figureAttempts], s[figureCut] = float64(attempts.Load())/n, float64(cut.Load())
	if lost.Load() == 0 {
		s[figureAllDone] = took.Seconds()
	}
	if err := g.end(ctx, len(messages), s); err != nil {
		return nil, err
	}
	return s, checkAll(server, asked, got, scep.SUCCESS)
}
