// Package postgres runs a PostgreSQL server for tests, from the binaries that Debian's
// package installs, in a temporary folder and on loopback only.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNotInstalled says that there is no server to run. On Debian `apt-get install
// postgresql` brings it.
var ErrNotInstalled = errors.New("PostgreSQL is not installed")

// stopTimeout bounds each way of stopping the server.
const stopTimeout = 20 * time.Second

// Server is a running server.
type Server struct {
	// DSN is the address of a database that does not exist yet; nosql creates it.
	DSN string
	// Address is where the server listens, host and port.
	Address string

	dir    string
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan struct{}
}

// Start runs a new, empty server. Stop ends it and removes its files.
func Start(ctx context.Context) (_ *Server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	attr, err := ordinaryUser(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, done: make(chan struct{}), Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	s.DSN = "postgresql://test@" + s.Address + "/stepca?sslmode=disable"
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data,
		"-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port), "-c", "unix_socket_directories=",
		"-c", "max_connections=300")
	s.cmd.SysProcAttr, s.cmd.Dir = attr, dir
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
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

// ready waits until the server takes connections.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.DialTimeout("tcp", s.Address, time.Second); err == nil {
			err = startup(conn)
			conn.Close()
			if err == nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("PostgreSQL ended: %s", strings.TrimSpace(s.output.String()))
		case <-ctx.Done():
			return fmt.Errorf("waiting for PostgreSQL: %w", ctx.Err())
		}
	}
}

// startup asks for a session of the database that is always there. A server that is not
// ready answers with an error. https://www.postgresql.org/docs/current/protocol-message-formats.html
func startup(conn net.Conn) error {
	conn.SetDeadline(time.Now().Add(5 * time.Second)) //nolint:errcheck // the read below fails then
	parameters := "user\x00test\x00database\x00template1\x00\x00"
	message := []byte{0, 0, 0, byte(8 + len(parameters)), 0, 3, 0, 0}
	if _, err := conn.Write(append(message, parameters...)); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	if answer[0] != 'R' { // AuthenticationOk
		return errors.New("not ready")
	}
	return nil
}

// Stop ends the server and all its connections, and removes its files.
func (s *Server) Stop() {
	// SIGINT is PostgreSQL's fast shutdown.
	for _, sig := range []os.Signal{os.Interrupt, os.Kill} {
		s.cmd.Process.Signal(sig) //nolint:errcheck // it may have ended
		select {
		case <-s.done:
			os.RemoveAll(s.dir)
			return
		case <-time.After(stopTimeout):
		}
	}
}

// binaries returns the folder of initdb and postgres: the newest of Debian's, which are
// not in the path, or that in the path.
func binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if found, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(found))
	}
	for _, dir := range dirs {
		_, errInit := exec.LookPath(filepath.Join(dir, "initdb"))
		_, errServer := exec.LookPath(filepath.Join(dir, "postgres"))
		if errInit == nil && errServer == nil {
			return dir, nil
		}
	}
	return "", ErrNotInstalled
}

func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
