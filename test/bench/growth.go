package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/smallstep/scep"
)

// The two situations of scenario (e).
const (
	first = "the first thousand"
	last  = "the last thousand"
)

// growth is scenario (e): many enrolments in a row, with servers of their own. The first
// and the last ones are measured in pairs, those between come as fast as both servers
// together can take them.
func (b *bench) growth(ctx context.Context) error {
	us, err := b.keep(b.newOurs(ctx, nil))
	if err != nil {
		return err
	}
	defer us.Kill()
	them, err := b.keep(b.newStock(ctx))
	if err != nil {
		return err
	}
	defer them.Kill()
	const bursts, clients = 10, 16
	sides := []*burst{
		{server: us, clients: clients, enrolments: b.measured / bursts},
		{server: them, clients: clients, enrolments: b.measured / bursts},
	}
	if _, err := b.pairs(ctx, "e", first, bursts, sides...); err != nil {
		return err
	}
	if err := b.many(ctx, b.sizes.growth-2*b.measured, us, them); err != nil {
		return err
	}
	if _, err := b.pairs(ctx, "e", last, bursts, sides...); err != nil {
		return err
	}
	situation := fmt.Sprintf("a start after %d enrolments", b.sizes.growth)
	return b.starts(ctx, "e", situation, b.largeStart, us, them)
}

// many enrols n devices at each server, in batches of which the next one is prepared
// meanwhile.
func (b *bench) many(ctx context.Context, n int, servers ...*server) error {
	const batch, clients = 1000, 16
	prepare := func(size int) ([]*exchange, error) {
		all := make([]*exchange, len(servers))
		for i, s := range servers {
			messages, err := b.messages(s, size)
			if err != nil {
				return nil, err
			}
			all[i] = &exchange{server: s, clients: clients, messages: messages}
		}
		return all, nil
	}
	current, err := prepare(min(batch, n))
	for done := 0; done < n; done += batch {
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		var next []*exchange
		var nextErr error
		errs := make([]error, len(current))
		if left := n - done - batch; left > 0 {
			wg.Go(func() { next, nextErr = prepare(min(batch, left)) })
		}
		for i, x := range current {
			wg.Go(func() {
				if errs[i] = x.run(ctx); errs[i] == nil {
					errs[i] = x.check(scep.SUCCESS)
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if (done/batch)%10 == 0 {
			b.progress("(e) %d of %d enrolments; the last batch: %s %.0f/s, %s %.0f/s", done, n,
				ours, current[0].sample()[figureRate], stock, current[1].sample()[figureRate])
		}
		current, err = next, nextErr
	}
	return err
}
