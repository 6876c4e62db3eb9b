package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// starting is scenario (f): from the start of the process until SCEP is served.
func (b *bench) starting(ctx context.Context) error {
	return b.starts(ctx, "f", "a start", b.sizes.pairs, b.ours, b.stock)
}

func (b *bench) starts(ctx context.Context, scenario, situation string, n int, servers ...*server) error {
	m := &Measurement{Scenario: scenario, Situation: situation}
	for _, s := range servers {
		m.Sides = append(m.Sides, s.name())
	}
	for i := range n {
		b.progress("(%s) %s, %d of %d", scenario, situation, i+1, n)
		if err := b.calibrate(); err != nil {
			return err
		}
		for _, k := range b.random.Perm(len(servers)) {
			took, err := servers[k].restart(ctx)
			if err != nil {
				return err
			}
			m.add(k, sample{figureStart: milliseconds(took)})
		}
	}
	b.note(m)
	for _, s := range servers {
		if err := b.warm(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// restart stops the server and returns how long it takes to be ready again.
func (s *server) restart(ctx context.Context) (time.Duration, error) {
	s.transport.CloseIdleConnections()
	if code, err := s.Stop(); err != nil || code != 0 {
		return 0, fmt.Errorf("%s stopped with status %d, %w", s.name(), code, err)
	}
	begin := time.Now()
	if err := s.start(ctx); err != nil {
		return 0, err
	}
	_, err := device.Connect(ctx, s.SCEP(provisioner), nil)
	return time.Since(begin), err
}
