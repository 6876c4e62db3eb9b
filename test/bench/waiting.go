package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/smallstep/scep"
)

// places is a maxConcurrent with which all requests of scenario (d) may wait: three for
// each place.
const places = 1024

// waiting is scenario (d): requests wait for an Intune that takes 8 s for an answer, which
// is a no then. Only memory is of interest.
func (b *bench) waiting(ctx context.Context) error {
	server, err := b.keep(b.newOurs(ctx, func(intune map[string]any) { intune["maxConcurrent"] = places }))
	if err != nil {
		return err
	}
	defer server.Kill()
	n := b.sizes.waiting
	m := &Measurement{Scenario: "d", Situation: "Intune takes 8 s", Sides: []string{ours}}
	// Further times show what comes back when the heap has been as large before. Looking at
	// the heap collects garbage, and so is left to the last one.
	defer b.note(m)
	for i := range b.sizes.waits {
		b.progress("(d) %d requests wait, %d of %d", n, i+1, b.sizes.waits)
		s, err := b.wait(ctx, server, n, i == b.sizes.waits-1)
		if err != nil {
			return errors.Join(err, b.delay(0))
		}
		m.add(0, s)
	}
	return b.delay(0)
}

func (b *bench) wait(ctx context.Context, server *server, n int, heap bool) (sample, error) {
	x := &exchange{server: server, clients: n}
	var err error
	if x.messages, err = b.garbage(server, n); err != nil {
		return nil, err
	}
	if err := b.delay(8 * time.Second); err != nil {
		return nil, err
	}
	idleHeap, err := server.heap(ctx)
	if err != nil {
		return nil, err
	}
	idle, err := server.proc().memory("VmRSS")
	if err != nil {
		return nil, err
	}
	if err := server.proc().resetPeak(); err != nil {
		return nil, err
	}
	s := sample{}
	// All have arrived then, and nobody has waited for a place for as long as that may take.
	look := func(context.Context) error {
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		if heap {
			live, err := server.heap(ctx)
			if err != nil {
				return err
			}
			s[figureHeap] = float64(live-idleHeap) / 1000 / float64(n)
		}
		files, err := server.proc().files()
		if err != nil {
			return err
		}
		goroutines, err := server.goroutines(ctx)
		s[figureFiles], s[figureGoroutines] = float64(files), float64(goroutines)
		// Each has one that serves it and one that notices when the client hangs up.
		if err == nil && goroutines < 2*n {
			err = fmt.Errorf("%d goroutines: not all of %d requests are waiting", goroutines, n)
		}
		if err == nil && heap && b.Profiles != "" {
			err = server.saveProfile(ctx, "heap?gc=1", filepath.Join(b.Profiles, ours+".waiting.heap.pprof"))
		}
		return err
	}
	if err := alongside(ctx, look, x.run); err != nil {
		return nil, err
	}
	peak, err := server.proc().memory("VmHWM")
	if err != nil {
		return nil, err
	}
	if !heap {
		s[figurePerWaiting], s[figureMemory] = float64(peak-idle)/1000/float64(n), float64(peak)/(1<<20)
	}
	return s, x.check(scep.FAILURE)
}
