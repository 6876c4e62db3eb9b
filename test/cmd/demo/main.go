// Command demo shows step-ca-intune at work: it builds it, starts it together
// with the simulator of Microsoft's side on free ports of the loopback
// interface, in a temporary folder, and enrols devices through SCEP, first as
// they should be and then as they should not.
//
//	go run ./test/cmd/demo
//
// Every row is checked: the certificate's content, what Intune lists, and the
// calls that Intune received. In the end the CA's metrics must add up to the
// table. The exit status is 1 when anything is unexpected.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// patience is enough for a busy machine; on an idle one it takes seconds.
const patience = 2 * time.Minute

func main() {
	bin := flag.String("bin", "", "`folder` with step-ca-intune and intunesim; built when empty")
	verbose := flag.Bool("v", false, "print the CA's log at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

var errUnexpected = errors.New("something unexpected happened, see the marked rows")

func run(ctx context.Context, bin string, verbose bool) error {
	dir, err := os.MkdirTemp("", "step-ca-intune-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if bin == "" {
		bin = dir
		fmt.Println("building …")
		if err := harness.Build(ctx, bin, harness.StepCAIntune, harness.IntuneSim); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sim, err := harness.StartSim(ctx, harness.IntuneSim.In(bin), filepath.Join(dir, "intune"))
	if err != nil {
		return err
	}
	defer sim.Kill()
	status, err := harness.FreeAddress()
	if err != nil {
		return err
	}
	ca, err := startCA(ctx, bin, filepath.Join(dir, "ca"), sim, status)
	if err != nil {
		return err
	}
	defer ca.Kill()
	fmt.Printf("Intune is simulated at %s, step-ca-intune serves %s\n\n", sim.URL(), ca.SCEP(provisioner))

	d, err := newDemo(ctx, sim, ca, status)
	if err != nil {
		return err
	}
	unexpected := d.play(ctx, os.Stdout)
	if _, err := ca.Stop(); err != nil {
		return err
	}
	if verbose {
		fmt.Fprintln(os.Stderr, ca.Output())
	}
	if unexpected {
		return errUnexpected
	}
	return nil
}

const provisioner = "intune"

func startCA(ctx context.Context, bin, dir string, sim *harness.Sim, status string) (*harness.CA, error) {
	entry, err := harness.IntuneEntry(provisioner, sim)
	if err != nil {
		return nil, err
	}
	authority, err := harness.NewCA(dir, harness.Options{
		Database:     harness.Badger,
		Provisioners: []map[string]any{entry},
		Edit:         func(config map[string]any) { config["intune"] = map[string]any{"statusAddress": status} },
	})
	if err != nil {
		return nil, err
	}
	return harness.StartCA(ctx, harness.StepCAIntune.In(bin), authority)
}
