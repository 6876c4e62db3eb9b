package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Sim is a running simulator of Microsoft's side.
type Sim struct {
	*Process
	URL      string
	RootFile string // PEM, what the CA must trust

	client *http.Client
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
	if err := s.waitReady(ctx); err != nil {
		s.Kill()
		return nil, fmt.Errorf("starting the simulator: %w", err)
	}
	return s, nil
}

func (s *Sim) waitReady(ctx context.Context) error {
	const ready = "ready "
	line, err := s.WaitLine(ctx, 0, ready)
	if err != nil {
		return err
	}
	s.URL = strings.TrimSpace(line[strings.Index(line, ready)+len(ready):])
	root, err := os.ReadFile(s.RootFile)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		return errors.New("no certificate in " + s.RootFile)
	}
	s.client = &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
		Timeout:   30 * time.Second,
	}
	return nil
}
