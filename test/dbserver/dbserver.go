// Package dbserver runs a database server for tests, in a temporary folder, as an ordinary
// user and on loopback only. Packages postgres and mariadb say how theirs is run.
package dbserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNotInstalled says that there is no server to run.
var ErrNotInstalled = errors.New("the database server is not installed")

// stopTimeout bounds each way of stopping the server.
const stopTimeout = 20 * time.Second

// Program is how a server is run.
type Program struct {
	// Name is for people.
	Name string
	// Driver is nosql's name for the kind of database.
	Driver string
	// Users are as whom the server may run when the test is root's.
	Users []string
	// Prepare returns the command that fills an empty folder. Both commands run in the
	// folder above it.
	Prepare func(data string) []string
	// Run returns the command that serves the folder at a port of 127.0.0.1.
	Run func(data, port string) []string
	// Ready reads and writes what shows that a server answers.
	Ready func(conn net.Conn) error
	// Stop ends the server although it has connections.
	Stop os.Signal
	// Source is how nosql names a database of the server, which it creates.
	Source func(address, database string) string
}

// Server is a running server.
type Server struct {
	Program
	// Address is where it listens, host and port.
	Address string

	dir    string
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan struct{}
}

// Start runs a new, empty server. Stop ends it and removes its files.
func Start(ctx context.Context, p Program) (_ *Server, err error) {
	s := &Server{Program: p, done: make(chan struct{})}
	if s.dir, err = os.MkdirTemp("", "dbserver"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(s.dir)
		}
	}()
	attr, err := ordinaryUser(s.dir, p.Users)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	if out, err := s.command(p.Prepare(data), attr).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("preparing %s: %w: %s", p.Name, err, bytes.TrimSpace(out))
	}
	if s.Address, err = freeAddress(); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(s.Address)
	s.cmd = s.command(p.Run(data, port), attr)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	go func() {
		s.cmd.Wait() //nolint:errcheck // a server that was killed has no good end
		close(s.done)
	}()
	if err := s.ready(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) command(line []string, attr *syscall.SysProcAttr) *exec.Cmd {
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.SysProcAttr = s.dir, attr
	cmd.Env = append(os.Environ(), "TMPDIR="+s.dir) // that of the test may be closed to the user
	return cmd
}

// ready waits until the server takes connections.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.DialTimeout("tcp", s.Address, time.Second); err == nil {
			conn.SetDeadline(time.Now().Add(5 * time.Second)) //nolint:errcheck // reading fails then
			err = s.Ready(conn)
			conn.Close()
			if err == nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("%s ended: %s", s.Name, strings.TrimSpace(s.output.String()))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", s.Name, ctx.Err())
		}
	}
}

// Stop ends the server and all its connections, and removes its files.
func (s *Server) Stop() {
	for _, sig := range []os.Signal{s.Program.Stop, os.Kill} {
		s.cmd.Process.Signal(sig) //nolint:errcheck // it may have ended
		select {
		case <-s.done:
			os.RemoveAll(s.dir)
			return
		case <-time.After(stopTimeout):
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
