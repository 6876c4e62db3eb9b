package bench

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Plan says what to measure.
type Plan struct {
	// Scenarios are letters, in any order; none means all.
	Scenarios []string
	// Pairs is how many bursts each side gets, 0 for the plan's own number.
	Pairs int
	// Enrolments is the length of scenario (e), 0 for the plan's own.
	Enrolments int
	// Quick measures little of everything.
	Quick bool
	// Seed decides the order of the bursts.
	Seed uint64
	// Bin is a folder with the programs, Dir one for files of the run.
	Bin, Dir string
	// Profiles is a folder for profiles of the servers, empty for none.
	Profiles string
	// Log is told how far the run has come.
	Log io.Writer
}

// bench is a run.
type bench struct {
	Plan
	sizes
	sim         *harness.Sim
	companion   *companion
	ours, stock *server
	all         []*server
	servers     int
	files       *harness.Authority // that all servers have copies of
	static      string             // challenge of the stock step-ca

	rsaKeys      []*rsa.PrivateKey
	certificates []*x509.Certificate // for these keys
	devices      atomic.Int64
	random       *rand.Rand
	calibration  calibration
	report       *Report
}

// scenario is one letter of the bench.
type scenario struct {
	letter string
	run    func(*bench, context.Context) error
}

// The start comes first, with databases that are nearly empty; the many enrolments, with
// servers of their own, come last.
var scenarios = []scenario{
	{"f", (*bench).starting}, {"a", (*bench).throughput}, {"b", (*bench).latency}, {"g", (*bench).queued},
	{"h", (*bench).underGarbage}, {"d", (*bench).waiting}, {"c", (*bench).storm}, {"e", (*bench).growth},
}

// Scenarios returns the letters of all scenarios.
func Scenarios() []string {
	var letters []string
	for _, s := range scenarios {
		letters = append(letters, s.letter)
	}
	slices.Sort(letters)
	return letters
}

// Run measures what the plan says. When a scenario fails, the report holds the others.
func Run(ctx context.Context, p Plan) (*Report, error) {
	for _, letter := range p.Scenarios {
		if !slices.Contains(Scenarios(), letter) {
			return nil, fmt.Errorf("there is no scenario %q: they are %s", letter, strings.Join(Scenarios(), ", "))
		}
	}
	if p.Enrolments != 0 && p.Enrolments < fewestEnrolments {
		return nil, fmt.Errorf("%d enrolments are too few for scenario (e): %d at least", p.Enrolments, fewestEnrolments)
	}
	b := &bench{
		Plan: p, sizes: sizesOf(p), random: rand.New(rand.NewPCG(p.Seed, 0)),
		report: &Report{Begun: time.Now(), Quick: p.Quick, Seed: p.Seed, Machine: thisMachine(p.Bin)},
	}
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	var failed []error
	for _, s := range scenarios {
		if len(p.Scenarios) > 0 && !slices.Contains(p.Scenarios, s.letter) {
			continue
		}
		if err := s.run(b, ctx); err != nil {
			failed = append(failed, fmt.Errorf("scenario (%s): %w", s.letter, err))
			b.progress("(%s) failed: %v", s.letter, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	r := b.report
	slices.SortStableFunc(r.Measurements, func(x, y *Measurement) int { return cmp.Compare(x.Scenario, y.Scenario) })
	r.Signature, r.Sync = spreadOf(b.calibration.signature), spreadOf(b.calibration.sync)
	r.Seconds = time.Since(r.Begun).Seconds()
	r.Goals = goalsOf(r)
	return r, errors.Join(failed...)
}

// start runs the simulator and one server of each kind.
func (b *bench) start(ctx context.Context) (err error) {
	if err := b.makeKeys(); err != nil {
		return err
	}
	b.progress("starting the servers")
	// The bodies of a few calls are enough: nobody reads them.
	if b.sim, err = harness.StartSim(ctx, harness.IntuneSim.In(b.Bin), b.Dir, "-history", "10"); err != nil {
		return err
	}
	challenge, err := b.challenge("CN=device-1000,OU=Devices,O=Contoso", "device-1000@contoso.example")
	if err != nil {
		return err
	}
	b.static = strings.Repeat("x", len(challenge))
	b.ours, err = b.keep(b.newOurs(ctx, nil))
	if err != nil {
		return err
	}
	b.companion, err = newCompanion(b.sim.Control, b.sim.RootFile, b.ours.authority.Root)
	if err != nil {
		return err
	}
	b.stock, err = b.keep(b.newStock(ctx))
	return err
}

// keep has a server killed at the end of the run.
func (b *bench) keep(s *server, err error) (*server, error) {
	if s != nil {
		b.all = append(b.all, s)
	}
	return s, err
}

func (b *bench) stop() {
	for _, s := range b.all {
		s.Kill()
	}
	if b.sim != nil {
		b.sim.Kill()
	}
}

// warm makes a server ready for measuring: connections, tokens, caches, the heap.
func (b *bench) warm(ctx context.Context, s *server) error {
	x := &exchange{server: s, clients: 16}
	var err error
	if x.messages, err = b.messages(s, b.sizes.warm); err != nil {
		return err
	}
	if err := x.run(ctx); err != nil {
		return err
	}
	return x.check(scep.SUCCESS)
}

// delay holds back each answer of Intune from now on.
func (b *bench) delay(d time.Duration) error {
	if err := b.sim.ClearFaults(); err != nil || d == 0 {
		return err
	}
	var errs []error
	for _, operation := range []intunesim.Operation{intunesim.OpValidate, intunesim.OpSuccess, intunesim.OpFailure} {
		// What the simulator computes is part of that time, as it is of Intune's.
		errs = append(errs, b.sim.AddFault(intunesim.Fault{Operation: operation, Delay: d, After: true}))
	}
	return errors.Join(errs...)
}

// calibrate measures the machine, and tidies up here rather than in the midst of a burst.
func (b *bench) calibrate() error {
	runtime.GC()
	return b.calibration.measure(b.Dir)
}

// note adds a measurement to the report, also one that an error has cut short.
func (b *bench) note(m *Measurement) {
	if len(m.Figures) == 0 {
		return
	}
	m.summarise()
	b.report.Measurements = append(b.report.Measurements, m)
}

func (b *bench) progress(format string, args ...any) {
	if b.Log != nil {
		fmt.Fprintf(b.Log, "%6.0fs "+format+"\n", append([]any{time.Since(b.report.Begun).Seconds()}, args...)...)
	}
}
