package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/smallstep/scep"
)

const answerTime = 100 * time.Millisecond // what Intune takes for an answer in most scenarios

// clients names the situation of so many.
func clients(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", n)
}

// stockWithCalls is a burst at the stock step-ca while the load generator calls Intune.
func (b *bench) stockWithCalls(clients, enrolments int) *burst {
	return &burst{name: stock + " and the two calls", server: b.stock, clients: clients, enrolments: enrolments, companion: true}
}

func (b *bench) stockAlone(clients, enrolments int) *burst {
	return &burst{name: stock + " alone", server: b.stock, clients: clients, enrolments: enrolments}
}

// throughput is scenario (a): Intune answers at once.
func (b *bench) throughput(ctx context.Context) error {
	for _, n := range []int{1, 8, 64} {
		enrolments := b.fast[n]
		sides := []*burst{{server: b.ours, clients: n, enrolments: enrolments}, b.stockWithCalls(n, enrolments)}
		if n == 64 {
			sides = append(sides, b.stockAlone(n, enrolments))
		}
		if _, err := b.pairs(ctx, "a", clients(n), b.sizes.pairs, sides...); err != nil {
			return err
		}
	}
	return b.profileBoth(ctx)
}

// profileBoth takes a profile of each server under the load of scenario (a).
func (b *bench) profileBoth(ctx context.Context) error {
	if b.Profiles == "" {
		return nil
	}
	if err := b.delay(0); err != nil {
		return err
	}
	for _, s := range []*server{b.ours, b.stock} {
		b.progress("(a) profile of %s", s.name())
		x := &exchange{server: s, clients: 64}
		var err error
		if x.messages, err = b.messages(s, b.sizes.profile); err != nil {
			return err
		}
		// Time in which nothing happens does not count in a profile.
		page := fmt.Sprintf("profile?seconds=%d", 2+b.sizes.profile/150)
		saved := make(chan error, 1)
		go func() { saved <- s.saveProfile(ctx, page, filepath.Join(b.Profiles, s.name()+".cpu.pprof")) }()
		if err := errors.Join(x.run(ctx), <-saved); err != nil {
			return err
		}
		if err := x.check(scep.SUCCESS); err != nil {
			return err
		}
		if err := s.saveProfile(ctx, "allocs", filepath.Join(b.Profiles, s.name()+".allocs.pprof")); err != nil {
			return err
		}
	}
	return nil
}
