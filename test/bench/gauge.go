package bench

import (
	"context"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// gauge measures a server while it serves: processor, memory, files, goroutines, and its
// calls to Intune.
type gauge struct {
	server *server
	sim    *intunesim.Control

	cpu               time.Duration
	stats             intunesim.Stats
	files, goroutines int
	looked            chan error
}

func (g *gauge) begin() (err error) {
	g.looked = make(chan error, 1)
	if g.stats, err = g.sim.Stats(); err != nil {
		return err
	}
	if err := g.server.proc().resetPeak(); err != nil {
		return err
	}
	g.cpu, err = g.server.proc().cpu()
	return err
}

// look counts files and goroutines, once while the server is busy.
func (g *gauge) look(ctx context.Context) {
	var err error
	if g.files, err = g.server.proc().files(); err == nil {
		g.goroutines, err = g.server.goroutines(ctx)
	}
	g.looked <- err
}

// end adds what came of n enrolments to a sample.
func (g *gauge) end(ctx context.Context, n int, s sample) error {
	cpu, err := g.server.proc().cpu()
	if err != nil {
		return err
	}
	peak, err := g.server.proc().memory("VmHWM")
	if err != nil {
		return err
	}
	stats, err := g.sim.Stats()
	if err != nil {
		return err
	}
	select {
	case err := <-g.looked:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	s[figureCPU] = milliseconds(cpu-g.cpu) / float64(n)
	s[figureMemory] = float64(peak) / (1 << 20)
	s[figureFiles], s[figureGoroutines] = float64(g.files), float64(g.goroutines)
	if !g.server.intune {
		return nil
	}
	calls, other := 0.0, 0.0
	for operation, count := range stats.Calls {
		made := float64(count - g.stats.Calls[operation])
		if operation == intunesim.OpValidate || operation == intunesim.OpSuccess {
			calls += made
		} else {
			other += made
		}
	}
	thousands := float64(n) / 1000
	s[figureCalls], s[figureOther] = calls/thousands, other/thousands
	s[figureIntune] = milliseconds(stats.Answering-g.stats.Answering) / float64(n)
	s[figureHandshakes] = float64(stats.Handshakes-g.stats.Handshakes) / thousands
	return nil
}
