// Command crash kills step-ca-intune at random moments while devices enrol and
// Intune misbehaves, and then compares what the devices hold with what Intune
// lists and step-ca has stored: see package crash. It needs PostgreSQL's binaries.
//
//	go run ./test/cmd/crash -rounds 8
//
// The seed of a failing round is printed. It gives the same site, faults and moments
// again, as far as processes of their own allow. The exit status is 1 when a round
// has failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

func main() {
	var p crash.Plan
	flag.IntVar(&p.Rounds, "rounds", 8, "`number` of rounds")
	flag.Uint64Var(&p.Seed, "seed", 0, "of the first round; random when 0")
	flag.IntVar(&p.Busy, "busy", 2, "`number` of rounds in which devices enrol at once")
	flag.IntVar(&p.Open, "open", 30, "`number` of rounds under way at once")
	flag.StringVar(&p.Bin, "bin", "", "`folder` with step-ca-intune; built when empty")
	flag.BoolVar(&p.Keep, "keep", false, "leave the files and logs of all rounds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		stop()
		os.Exit(1)
	}
}

var errWrong = errors.New("rounds have failed, see above")

func run(ctx context.Context, p crash.Plan) (err error) {
	if p.Seed == 0 {
		// A multiple of the number of combinations, so that few rounds cover all.
		p.Seed = 8 * uint64(1+rand.IntN(1_000_000))
	}
	if p.Dir, err = os.MkdirTemp("", "crash-"); err != nil {
		return err
	}
	if p.Bin == "" {
		p.Bin = p.Dir
		fmt.Println("building …")
		if err := harness.Build(ctx, p.Bin, harness.StepCAIntune); err != nil {
			return err
		}
	}
	summary, err := crash.Run(ctx, p, os.Stdout)
	if err != nil {
		return err
	}
	fmt.Println(summary)
	if summary.Failed() > 0 {
		return errWrong
	}
	if p.Keep {
		fmt.Println("files in", p.Dir)
		return nil
	}
	return os.RemoveAll(p.Dir)
}
