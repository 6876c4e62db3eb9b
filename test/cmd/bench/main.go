// Command bench measures step-ca-intune beside the stock step-ca: see package bench, and
// docs/performance.md for what the figures mean.
//
//	go run ./test/cmd/bench -quick
//	go run ./test/cmd/bench -scenario a,b -pairs 5 -json figures.json
//
// No figure makes it fail: only a wrong answer does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/step-ca-intune/step-ca-intune/test/bench"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// outputs are the files that a run leaves.
type outputs struct{ json, markdown string }

func main() {
	p := bench.Plan{Log: os.Stderr}
	var out outputs
	var letters string
	flag.BoolVar(&p.Quick, "quick", false, "little of everything, in less than two minutes")
	flag.StringVar(&letters, "scenario", "", "`letters` of scenarios, separated by commas; all when empty")
	flag.IntVar(&p.Pairs, "pairs", 0, "`number` of bursts that each side gets; 15 when 0, 2 in a quick run")
	flag.IntVar(&p.Enrolments, "enrolments", 0, "`number` of enrolments of scenario e; 100,000 when 0")
	flag.Uint64Var(&p.Seed, "seed", 0, "of the order of the bursts; random when 0")
	flag.StringVar(&p.Bin, "bin", "", "`folder` with step-ca-intune, step-ca and intunesim; built when empty")
	flag.StringVar(&p.Dir, "dir", "", "`folder` for databases, on the disk that is to be measured; a temporary one when empty")
	flag.StringVar(&p.Profiles, "profiles", "", "`folder` for profiles of the servers; none when empty")
	flag.StringVar(&out.json, "json", "", "`file` for all figures, for machines")
	flag.StringVar(&out.markdown, "markdown", "", "`file` for the figures; a page that has a place for them keeps the rest")
	flag.Parse()
	p.Scenarios = strings.FieldsFunc(letters, func(r rune) bool { return r == ',' })
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p, out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, p bench.Plan, out outputs) error {
	if p.Seed == 0 {
		p.Seed = 1 + uint64(rand.Uint32())
	}
	var page *bench.Page
	if out.markdown != "" {
		var err error
		if page, err = bench.OpenPage(out.markdown); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(p.Dir, "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if p.Dir = dir; p.Bin == "" {
		p.Bin = dir
		fmt.Fprintln(os.Stderr, "building …")
		if err := harness.Build(ctx, p.Bin, harness.StepCAIntune, harness.StepCA, harness.IntuneSim); err != nil {
			return err
		}
	}
	if p.Profiles != "" {
		if err := os.MkdirAll(p.Profiles, 0o755); err != nil {
			return err
		}
	}
	r, failed := bench.Run(ctx, p)
	if r == nil {
		return failed
	}
	if out.json != "" {
		text, err := json.MarshalIndent(r, "", " ")
		if err == nil {
			err = os.WriteFile(out.json, append(text, '\n'), 0o644)
		}
		failed = errors.Join(failed, err)
	}
	if page != nil {
		failed = errors.Join(failed, page.Write(r))
	}
	return errors.Join(r.Table(os.Stdout), failed)
}
