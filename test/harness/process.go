package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a running program whose output is kept.
type Process struct {
	name string
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// Start runs binary with args. Variables in env come on top of the caller's own
// environment. The process dies with the caller where the system can do that.
func Start(binary string, args, env []string) (*Process, error) {
	p := &Process{name: filepath.Base(binary), out: newOutput(), done: make(chan struct{})}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = childAttributes()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // ExitCode tells
	}()
	return p, nil
}

// Output returns everything printed so far, to both standard streams.
func (p *Process) Output() string {
	text, _ := p.out.since(0)
	return text
}

// Mark returns a place in the output, the end of what has been printed so far.
func (p *Process) Mark() int { return len(p.Output()) }

// OutputSince returns what was printed after a mark.
func (p *Process) OutputSince(mark int) string {
	text, _ := p.out.since(mark)
	return text
}

// WaitLine waits until a line that holds one of parts has been printed after
// the mark and returns that line. An exit of the process ends the wait.
func (p *Process) WaitLine(ctx context.Context, mark int, parts ...string) (string, error) {
	for {
		text, changed := p.out.since(mark)
		for _, part := range parts {
			if line, ok := lineWith(text, part); ok {
				return line, nil
			}
		}
		select {
		case <-changed:
		case <-p.done:
			text, _ = p.out.since(mark)
			for _, part := range parts {
				if line, ok := lineWith(text, part); ok {
					return line, nil
				}
			}
			return "", fmt.Errorf("%s ended with status %d before it printed one of %q:\n%s", p.name, p.ExitCode(), parts, text)
		case <-ctx.Done():
			return "", fmt.Errorf("%s did not print one of %q: %w\n%s", p.name, parts, ctx.Err(), text)
		}
	}
}

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end and returns the exit status, -1 after a signal.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for the end of %s: %w", p.name, ctx.Err())
	}
}

// ExitCode returns the exit status once Done is closed, -1 after a signal.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends a signal. One that comes too late is not an error.
func (p *Process) Signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signalling %s: %w", p.name, err)
	}
	return nil
}

// Stop sends SIGTERM, waits for the end and returns the exit status. A process
// that takes longer than stopTimeout is killed, which is an error.
func (p *Process) Stop() (int, error) {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	code, err := p.Wait(ctx)
	if err != nil {
		p.Kill()
	}
	return code, err
}

// stopTimeout is longer than step-ca takes to drain its requests.
const stopTimeout = 30 * time.Second

// Kill ends the process as a power failure would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
