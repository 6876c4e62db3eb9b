package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// mostGarbage takes longer than the plugin remembers refusals.
const mostGarbage = 12_000

// underGarbage is scenario (h): 64 clients send requests that nobody approves, as fast as
// they can, while 8 honest ones enrol. What the same does to the stock step-ca stands
// beside it.
func (b *bench) underGarbage(ctx context.Context) error {
	var remembered error
	for _, s := range []*server{b.ours, b.stock} {
		b.progress("(h) preparing garbage for %s", s.name())
		messages, err := b.garbage(s, min(b.sizes.garbage*b.sizes.pairs, mostGarbage))
		if err != nil {
			return err
		}
		source := &garbageSource{server: s, messages: messages}
		under := &burst{name: s.name() + " under garbage", server: s, clients: 8, enrolments: b.honest, delay: answerTime, spread: 2 * answerTime, meanwhile: source.run}
		alone := &burst{name: s.name() + " without", server: s, clients: 8, enrolments: b.honest, delay: answerTime, spread: 2 * answerTime}
		situation := "8 honest clients"
		if s == b.stock {
			situation += " at the stock step-ca"
		}
		before, err := b.sim.Stats()
		if err != nil {
			return err
		}
		m, err := b.pairs(ctx, "h", situation, b.sizes.pairs, under, alone)
		if err != nil {
			return err
		}
		after, err := b.sim.Stats()
		if err != nil {
			return err
		}
		asked := after.Calls[intunesim.OpValidate] - before.Calls[intunesim.OpValidate]
		honest := int64(2 * b.sizes.pairs * b.honest)
		if sent := source.sent.Load(); s.intune && asked < sent+honest {
			remembered = fmt.Errorf("of %d requests, %d of them garbage, Intune was asked about %d: the plugin has remembered some", sent+honest, sent, asked)
		}
		b.progress("(h) %s has refused %d requests during %d bursts", s.name(), source.sent.Load(), len(m.Figures[0].Values[0]))
	}
	return remembered
}

// garbageSource sends its messages one after the other and begins anew at the end, when
// the plugin has forgotten what Intune refused.
type garbageSource struct {
	server   *server
	messages []*device.Message
	next     atomic.Int64
	sent     atomic.Int64
}

func (g *garbageSource) run(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = g.one(ctx)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (g *garbageSource) one(ctx context.Context) error {
	m := g.messages[int(g.next.Add(1)-1)%len(g.messages)]
	r, err := g.server.client.Exchange(ctx, m)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if r.Claimed() != scep.FAILURE {
		return errors.New(g.server.name() + " answers garbage with something else than a FAILURE")
	}
	g.sent.Add(1)
	return nil
}
