package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Sim is a running simulator of Microsoft's side, steered by its Control.
type Sim struct {
	*Process
	*intunesim.Control

	// RootFile is the PEM file of the TLS root that the CA must trust.
	RootFile string
}

// StartSim runs the simulator on a free port, with its files in dir, and
// returns when it serves. Further flags may follow.
func StartSim(ctx context.Context, binary, dir string, flags ...string) (*Sim, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("starting the simulator: %w", err)
	}
	args := append([]string{"-addr", "127.0.0.1:0", "-dir", dir}, flags...)
	p, err := Start(binary, args, nil)
	if err != nil {
		return nil, err
	}
	s := &Sim{Process: p, RootFile: filepath.Join(dir, "root.pem")}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		s.Kill()
		return nil, fmt.Errorf("starting the simulator: %w", err)
	}
	return s, nil
}

func (s *Sim) connect(ctx context.Context) error {
	const ready = "ready "
	line, err := s.WaitLine(ctx, 0, ready)
	if err != nil {
		return err
	}
	url := strings.TrimSpace(line[strings.Index(line, ready)+len(ready):])
	s.Control, err = intunesim.Dial(url, s.RootFile)
	return err
}
