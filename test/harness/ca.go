package harness

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// CA is a running certificate authority.
type CA struct {
	*Process
	*Authority

	// HTTP trusts the CA's root and keeps no connections, since a reload or a
	// stop of step-ca waits for them.
	HTTP *http.Client
}

// startTimeout leaves room for a busy machine.
const startTimeout = 30 * time.Second

// StartCA runs a step-ca with the authority's files and returns when it serves,
// or with everything it printed when it does not.
func StartCA(ctx context.Context, binary string, a *Authority) (*CA, error) {
	args := append([]string{"--password-file", a.File("password")}, a.flags...)
	p, err := Start(binary, append(args, a.File("ca.json")), a.env)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: a.Roots()},
		DisableKeepAlives: true,
	}
	ca := &CA{Process: p, Authority: a, HTTP: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := ca.waitReady(ctx); err != nil {
		ca.Kill()
		return nil, fmt.Errorf("starting the CA: %w", err)
	}
	return ca, nil
}

func (ca *CA) waitReady(ctx context.Context) error {
	if _, err := ca.WaitLine(ctx, 0, "Serving HTTPS on "+ca.Address); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, ca.URL("/health"), nil)
	if err != nil {
		return err
	}
	answer, err := ca.HTTP.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("/health answers %s", answer.Status)
	}
	// step-ca starts its HTTP server first, but only if it serves SCEP or a CRL.
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = ca.WaitLine(short, 0, "Serving HTTP on")
	return ctx.Err()
}

// URL returns the address of a path at the HTTPS server.
func (ca *CA) URL(path string) string { return "https://" + ca.Address + path }

// SCEP returns the address of a provisioner at the HTTP server.
func (ca *CA) SCEP(provisioner string) string {
	return "http://" + ca.InsecureAddress + "/scep/" + url.PathEscape(provisioner)
}

// Reload sends SIGHUP and waits until the new configuration serves. It returns
// what step-ca says when it goes on with the old one.
func (ca *CA) Reload(ctx context.Context) error {
	const refused = "error reloading server: "
	mark := ca.Mark()
	if err := ca.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	line, err := ca.WaitLine(ctx, mark, "Serving HTTPS on", refused)
	if err != nil {
		return fmt.Errorf("reloading the CA: %w", err)
	}
	if _, reason, found := strings.Cut(line, refused); found {
		return fmt.Errorf("reloading the CA: %s", reason)
	}
	return nil
}
