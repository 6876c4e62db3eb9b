// Package matrix tests what stands in the certificates that devices get, with
// the built binary and the simulator of Microsoft's side as processes, and
// openssl as the judge. Its first part is Microsoft's own test matrix for SCEP
// servers, whose outcome is docs/test-matrix.md:
//
//	go test ./test/matrix -update
//
// writes that page anew.
package matrix

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

var update = flag.Bool("update", false, "write docs/test-matrix.md instead of comparing it")

// bin is the folder with the programs under test.
var bin string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	flag.Parse()
	var err error
	if bin, err = os.MkdirTemp("", "step-ca-intune-matrix-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	if err := harness.Build(context.Background(), bin, harness.StepCAIntune, harness.IntuneSim, harness.SCEPClient); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
