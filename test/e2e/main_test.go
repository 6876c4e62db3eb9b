// Package e2e tests step-ca-intune as its users run it: the built binary, the
// simulator of Microsoft's side and stock step-ca as processes of their own,
// and SCEP clients that enrol over HTTP.
package e2e

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// bin is the folder with the programs under test.
var bin string

// noteSources makes go test run these tests again when the programs have changed.
var noteSources = sync.OnceValue(func() error { return harness.NoteSources(context.Background()) })

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "step-ca-intune-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	programs := []harness.Program{
		harness.StepCAIntune, harness.StepCA, harness.IntuneSim, harness.SCEPClient, harness.Step, harness.Demo,
	}
	if err := harness.Build(context.Background(), bin, programs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
