package bench

import (
	"context"
	"time"

	"github.com/smallstep/scep"
)

// burst is one side of a pair: some clients that enrol so many devices.
type burst struct {
	name       string // of the side; the server's when empty
	server     *server
	clients    int
	enrolments int
	delay      time.Duration // of each answer of Intune
	spread     time.Duration // over which the clients begin
	companion  bool          // the load generator makes the calls to Intune that the server does not make

	// meanwhile runs beside the clients until it is stopped.
	meanwhile func(context.Context) error
	// afterwards is waited for before the processor's time is read.
	afterwards func(context.Context, sample) error

	x *exchange
}

func (u *burst) title() string {
	if u.name != "" {
		return u.name
	}
	return u.server.name()
}

func (b *bench) prepareBurst(u *burst) (err error) {
	u.x = &exchange{server: u.server, clients: u.clients, spread: u.spread}
	if u.x.messages, err = b.messages(u.server, u.enrolments); err != nil || !u.companion {
		return err
	}
	u.x.companion = b.companion
	u.x.errands, err = b.errands(u.enrolments)
	return err
}

func (b *bench) runBurst(ctx context.Context, u *burst) (sample, error) {
	if err := b.delay(u.delay); err != nil {
		return nil, err
	}
	g := &gauge{server: u.server, sim: b.sim.Control}
	u.x.half = func() { g.look(ctx) }
	if err := g.begin(); err != nil {
		return nil, err
	}
	err := alongside(ctx, u.meanwhile, u.x.run)
	if err != nil {
		return nil, err
	}
	s := u.x.sample()
	if u.afterwards != nil {
		if err := u.afterwards(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := g.end(ctx, u.enrolments, s); err != nil {
		return nil, err
	}
	if u.afterwards != nil {
		delete(s, figureIntune) // no device waited for what came afterwards
	}
	if u.meanwhile != nil {
		// What the server spends on others belongs to nobody's enrolment.
		for _, name := range []string{figureCPU, figureIntune, figureCalls, figureOther, figureHandshakes} {
			delete(s, name)
		}
	}
	return s, nil
}

// alongside runs f with another function beside it, nil for none, which it stops then.
func alongside(ctx context.Context, meanwhile, f func(context.Context) error) error {
	if meanwhile == nil {
		return f(ctx)
	}
	beside, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- meanwhile(beside) }()
	err := f(ctx)
	stop()
	if other := <-done; err == nil {
		err = other
	}
	return err
}

// pairs gives each side a burst, n times, in an order that chance decides each time.
func (b *bench) pairs(ctx context.Context, scenario, situation string, n int, sides ...*burst) (*Measurement, error) {
	m := &Measurement{Scenario: scenario, Situation: situation}
	for _, u := range sides {
		m.Sides = append(m.Sides, u.title())
	}
	defer b.note(m)
	for i := range n {
		b.progress("(%s) %s, %d of %d", scenario, situation, i+1, n)
		for _, u := range sides {
			if err := b.prepareBurst(u); err != nil {
				return nil, err
			}
		}
		if err := b.calibrate(); err != nil {
			return nil, err
		}
		for _, k := range b.random.Perm(len(sides)) {
			s, err := b.runBurst(ctx, sides[k])
			if err != nil {
				return nil, err
			}
			m.add(k, s)
		}
		for _, u := range sides {
			if err := u.x.check(scep.SUCCESS); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}
