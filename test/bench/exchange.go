package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// exchange is what so many clients send to a server, each the next message that is left.
type exchange struct {
	server   *server
	clients  int
	messages []*device.Message

	spread    time.Duration // over which the clients begin
	errands   []errand      // beside the messages, nil for none
	companion *companion
	half      func() // called once, when half of the answers are there

	answers   []*device.Result
	latencies []time.Duration
	took      time.Duration
	cut       atomic.Int64 // answers that did not come
}

// repeats is how often a device asks again that gets no answer.
const repeats = 3

// run sends everything. Connections are new, and kept: step-ca closes those that were
// idle for a while, in the middle of a request perhaps.
func (x *exchange) run(ctx context.Context) error {
	x.server.transport.CloseIdleConnections()
	x.answers = make([]*device.Result, len(x.messages))
	x.latencies = make([]time.Duration, len(x.messages))
	errs := make([]error, x.clients)
	var next, done atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for client := range errs {
		wg.Go(func() {
			time.Sleep(x.spread * time.Duration(client) / time.Duration(x.clients))
			for errs[client] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(x.messages) {
					return
				}
				errs[client] = x.one(ctx, i)
				if int(done.Add(1)) == max(1, len(x.messages)/2) && x.half != nil {
					go x.half()
				}
			}
		})
	}
	wg.Wait()
	x.took = time.Since(begin)
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("sending to %s: %w", x.server.name(), err)
		}
	}
	return nil
}

func (x *exchange) one(ctx context.Context, i int) (err error) {
	begin := time.Now()
	if x.errands != nil {
		if err := x.companion.before(ctx, x.errands[i]); err != nil {
			return err
		}
	}
	for attempt := 0; ; attempt++ {
		if x.answers[i], err = x.server.client.Exchange(ctx, x.messages[i]); err == nil {
			break
		}
		if x.cut.Add(1); attempt == repeats || ctx.Err() != nil {
			return err
		}
	}
	if x.errands != nil {
		err = x.companion.after(ctx, x.errands[i])
	}
	x.latencies[i] = time.Since(begin)
	return err
}

// check reads all answers: each must be a certificate, or a FAILURE for garbage.
func (x *exchange) check(want scep.PKIStatus) error {
	return checkAll(x.server, x.messages, x.answers, want)
}

func checkAll(s *server, messages []*device.Message, answers []*device.Result, want scep.PKIStatus) error {
	return parallel(len(messages), func(i int) error {
		r := answers[i]
		if err := s.client.Check(messages[i], r); err != nil {
			return err
		}
		if r.Status != want || (want == scep.SUCCESS) != (r.Certificate != nil) {
			return fmt.Errorf("%s answers HTTP %d, pkiStatus %q, %q", s.name(), r.HTTPStatus, string(r.Status), r.FailInfoText)
		}
		return nil
	})
}

// sample returns rate and latencies.
func (x *exchange) sample() sample {
	s := latenciesOf(x.latencies)
	s[figureCut], s[figureRate] = float64(x.cut.Load()), float64(len(x.latencies))/x.took.Seconds()
	return s
}

// latenciesOf returns quantiles of how long answers took.
func latenciesOf(all []time.Duration) sample {
	latencies := make([]float64, len(all))
	for i, l := range all {
		latencies[i] = milliseconds(l)
	}
	slices.Sort(latencies)
	return sample{figureP50: quantile(latencies, 0.5), figureP90: quantile(latencies, 0.9), figureP99: quantile(latencies, 0.99)}
}
