package harness

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/step-ca-intune/step-ca-intune"

// Program is something that [Build] can make.
type Program struct {
	name   string
	pkg    string
	folder string // below the module's root, where a nested module lies
}

// The programs that tests and the demo run.
var (
	StepCAIntune = Program{name: "step-ca-intune", pkg: module + "/cmd/step-ca-intune"}
	StepCA       = Program{name: "step-ca", pkg: "github.com/smallstep/certificates/cmd/step-ca"}
	IntuneSim    = Program{name: "intunesim", pkg: module + "/test/cmd/intunesim"}
	Demo         = Program{name: "demo", pkg: module + "/test/cmd/demo"}
	SCEPClient   = Program{name: "scepclient", pkg: "github.com/micromdm/scep/v2/cmd/scepclient", folder: "test/tools"}
	Step         = Program{name: "step", pkg: "github.com/smallstep/cli/cmd/step", folder: "test/tools"}
)

// In returns the program's path when it was built into dir.
func (p Program) In(dir string) string { return filepath.Join(dir, p.name) }

// Build compiles programs into dir, as pure Go like their releases. It works
// from anywhere inside the module.
func Build(ctx context.Context, dir string, programs ...Program) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	for _, p := range programs {
		folder := filepath.Join(root, p.folder)
		if _, err := run(ctx, folder, "go", "build", "-o", p.In(dir), p.pkg); err != nil {
			return fmt.Errorf("building %s: %w", p.name, err)
		}
	}
	return nil
}

// NoteSources looks at every source file of the module. go test remembers which
// files a test has looked at, not TestMain: without this, called from a test, it
// would take an earlier result although the programs under test have changed.
func NoteSources(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case !d.IsDir() && (filepath.Ext(path) == ".go" || d.Name() == "go.mod"):
			_, err = os.Stat(path)
		}
		return err
	})
}

func moduleRoot(ctx context.Context) (string, error) {
	root, err := run(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	return strings.TrimSpace(root), nil
}

func run(ctx context.Context, folder, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
