package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

const (
	clients = 20
	// perClient is how many devices each client enrols, one after the other.
	perClient = 3
	// attempts is how often a device asks while things go wrong.
	attempts = 4
	// orphaned is how long it takes at most until a sweep has found what a crash has
	// left: a minute of age, and the time between two sweeps.
	orphaned = 72 * time.Second
	// patience is how much longer reports and devices may take that met a fault before.
	patience = 3 * time.Minute
)

// round is one site that lives through kills and faults.
type round struct {
	combination
	seed   uint64
	random *rand.Rand
	site   *Site

	faults  []intunesim.Fault
	devices []*Device
	figures Figures

	mu    sync.Mutex
	wrong []error
}

// Figures count what happened in rounds.
type Figures struct {
	Rounds, Failed       int
	Devices, Issued      int // certificates in the hands of devices
	Kills, Cuts          int
	Faults, Calls        int // of Intune's
	TakenBack, Duplicate int // certificates revoked; listed although withheld
	Failures, Dead, Lost int // reported; dead reports; neither, since there was no database
	Took                 time.Duration
}

func (f *Figures) add(g Figures) {
	f.Rounds, f.Failed = f.Rounds+g.Rounds, f.Failed+g.Failed
	f.Devices, f.Issued = f.Devices+g.Devices, f.Issued+g.Issued
	f.Kills, f.Cuts = f.Kills+g.Kills, f.Cuts+g.Cuts
	f.Faults, f.Calls = f.Faults+g.Faults, f.Calls+g.Calls
	f.TakenBack, f.Duplicate = f.TakenBack+g.TakenBack, f.Duplicate+g.Duplicate
	f.Failures, f.Dead, f.Lost = f.Failures+g.Failures, f.Dead+g.Dead, f.Lost+g.Lost
	f.Took += g.Took
}

func newRound(seed uint64) *round {
	return &round{
		combination: combinations[seed%uint64(len(combinations))],
		seed:        seed,
		random:      rand.New(rand.NewPCG(seed, 0)),
	}
}

// complain notes what must not be.
func (r *round) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Errorf(format, args...))
}

// play returns everything that is wrong. busy is held while the round needs the
// processor; for most of its time it waits for reports.
func (r *round) play(ctx context.Context, bin, dir string, server *dbserver.Server, busy chan struct{}) error {
	begin := time.Now()
	defer func() { r.figures.Rounds, r.figures.Took = 1, time.Since(begin) }()
	dir = filepath.Join(dir, fmt.Sprintf("round-%d", r.seed))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	o := Options{Queued: r.queued, Replicas: r.replicas, Links: r.replicas > 1, History: 100_000}
	if r.postgres {
		o.Server = server
	}
	busy <- struct{}{}
	err := r.storm(ctx, bin, dir, o)
	<-busy
	if r.site != nil {
		defer r.site.Close()
	}
	if err == nil {
		err = r.settle(ctx)
	}
	if err == nil {
		err = r.check(ctx)
	}
	if err = errors.Join(append(r.wrong, err)...); err != nil {
		r.figures.Failed = 1
	}
	r.keepLogs(dir)
	return err
}

// storm lets devices enrol while everything goes wrong.
func (r *round) storm(ctx context.Context, bin, dir string, o Options) (err error) {
	if r.site, err = NewSite(ctx, bin, dir, o); err != nil {
		return err
	}
	if r.devices, err = r.site.Devices(clients*perClient, fmt.Sprintf("device-%d", r.seed)); err != nil {
		return err
	}
	r.figures.Devices = len(r.devices)
	r.faults = randomFaults(r.random)
	for _, f := range r.faults {
		if err := r.site.Sim.AddFault(f); err != nil {
			return err
		}
	}
	// Decided here, since what follows happens at once.
	incidents := r.incidents()
	seeds := make([]uint64, clients)
	for i := range seeds {
		seeds[i] = r.random.Uint64()
	}
	var wg sync.WaitGroup
	ended := make(chan struct{})
	for i := range clients {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seeds[i], 0))
			for _, d := range r.devices[i*perClient : (i+1)*perClient] {
				r.enrol(ctx, d, random)
			}
		})
	}
	go func() { wg.Wait(); close(ended) }()
	for _, happen := range incidents {
		if err = happen(ctx, ended); err != nil {
			break
		}
	}
	wg.Wait()
	r.site.Sim.ClearFaults()
	return err
}

// enrol is what a device does: it asks again after a FAILURE or a lost answer, and
// now and then although it has its certificate.
func (r *round) enrol(ctx context.Context, d *Device, random *rand.Rand) {
	choose := func() *Replica { return r.site.Replicas[random.IntN(len(r.site.Replicas))] }
	pause := time.Duration(random.Int64N(int64(400 * time.Millisecond)))
	if err := d.Enrol(ctx, attempts, pause, choose); err != nil {
		r.complain("%w", err)
	}
	if d.Certificate == nil {
		return
	}
	r.checkHanded(d)
	if random.Float64() < 0.2 {
		if _, err := d.Ask(ctx, choose()); err != nil {
			r.complain("%w", err)
		}
	}
}

// checkHanded: in strict mode Intune lists a certificate before the device has it.
func (r *round) checkHanded(d *Device) {
	if r.queued {
		return
	}
	lines := listed(r.site.Sim.Certificates(), d.Certificate)
	if len(lines) != 1 || lines[0].State != intunesim.StateIssued {
		r.complain("%s has %s in strict mode, and Intune lists %+v", d.Name, serialOf(d.Certificate), lines)
	}
}

// settle waits until everything has been reported or taken back. Some devices without a
// certificate keep asking meanwhile, with the same transaction, while failure
// notifications still go wrong: what a sweep reports about the lost certificate must
// not be told after the new one. The others ask when all is well again.
func (r *round) settle(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, orphaned+patience)
	defer cancel()
	for _, f := range r.faults {
		if f.Operation == intunesim.OpFailure {
			if err := r.site.Sim.AddFault(f); err != nil {
				return err
			}
		}
	}
	var eager, patient []*Device
	for i, d := range r.devices {
		switch {
		case d.Certificate != nil:
		case i%2 == 0:
			eager = append(eager, d)
		default:
			patient = append(patient, d)
		}
	}
	var wg sync.WaitGroup
	for _, d := range eager {
		wg.Go(func() { r.insist(asking, d) })
	}
	pause(ctx, orphaned)
	r.site.Sim.ClearFaults()
	for _, d := range patient {
		wg.Go(func() { r.insist(asking, d) })
	}
	wg.Wait()
	return ctx.Err()
}

// insist asks until there is a certificate.
func (r *round) insist(ctx context.Context, d *Device) {
	err := d.Enrol(ctx, 1000, time.Second, func() *Replica { return r.site.Replicas[0] })
	if err != nil {
		r.complain("%s has no certificate after %d attempts, %s: %w", d.Name, d.Attempts, d.Last, err)
		return
	}
	if d.Certificate != nil {
		r.checkHanded(d)
	}
}

func (r *round) keepLogs(dir string) {
	if r.site == nil {
		return
	}
	for i, replica := range r.site.Replicas {
		// The complaint stands without it.
		_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("log-%d.txt", i)), []byte(replica.Log()), 0o600)
	}
}
