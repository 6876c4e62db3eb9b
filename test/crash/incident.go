package crash

import (
	"context"
	"time"
)

// incident happens during a round. ended is closed when no device asks any more.
type incident func(ctx context.Context, ended <-chan struct{}) error

// incidents are the round's: one kill, or with several replicas a few kills of one at
// a time and cuts between them.
func (r *round) incidents() []incident {
	all := []incident{r.kill(0)}
	if r.replicas < 2 {
		return all
	}
	all = nil
	for range 3 {
		replica := r.random.IntN(r.replicas)
		switch r.random.IntN(3) {
		case 0:
			all = append(all, r.kill(replica))
		default:
			all = append(all, r.cut(replica))
		}
	}
	return append(all, r.kill(r.random.IntN(r.replicas)))
}

// kill ends a replica when Intune has received so many more calls, or a moment later,
// and starts it again.
func (r *round) kill(i int) incident {
	calls := 1 + r.random.IntN(2*clients*perClient/max(r.replicas, 1))
	later := time.Duration(r.random.Int64N(int64(30 * time.Millisecond)))
	down := time.Duration(r.random.Int64N(int64(time.Second)))
	return func(ctx context.Context, ended <-chan struct{}) error {
		r.await(ctx, ended, calls)
		pause(ctx, later)
		replica := r.site.Replicas[i]
		replica.Kill()
		r.figures.Kills++
		pause(ctx, down)
		return replica.Start(ctx)
	}
}

// cut takes a replica's network to its database or to Intune away for a while.
func (r *round) cut(i int) incident {
	calls := 1 + r.random.IntN(clients)
	toDatabase, stall := r.random.IntN(2) == 0, r.random.IntN(2) == 0
	lasts := time.Duration(r.random.Int64N(int64(3 * time.Second)))
	return func(ctx context.Context, ended <-chan struct{}) error {
		r.await(ctx, ended, calls)
		link := r.site.Replicas[i].Intune
		if toDatabase {
			link = r.site.Replicas[i].Database
		}
		if stall {
			link.Stall()
		} else {
			link.Cut()
		}
		r.figures.Cuts++
		pause(ctx, lasts)
		link.Restore()
		return nil
	}
}

// await waits until Intune has received so many more calls or nobody asks any more.
func (r *round) await(ctx context.Context, ended <-chan struct{}, calls int) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	first := r.calls()
	for r.calls() < first+calls {
		select {
		case <-tick.C:
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (r *round) calls() int {
	n := 0
	for _, calls := range r.site.Sim.Stats().Calls {
		n += int(calls)
	}
	return n
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
