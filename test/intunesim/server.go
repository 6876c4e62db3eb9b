package intunesim

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// What a simulator plays when [Options] say nothing else.
const (
	DefaultTenant   = "contoso.onmicrosoft.com"
	DefaultClientID = "11111111-2222-3333-4444-555555555555"
	DefaultSecret   = "simulated-secret"
	DefaultHistory  = 10_000
)

// Options of a simulator. The zero value listens on a free loopback port and
// plays the default tenant, client and secret.
type Options struct {
	// Addr is the address to listen on, "127.0.0.1:0" when empty.
	Addr string
	// Dir receives root.pem, the TLS root to trust, and root.key. A root found
	// there is used again, so that a restarted simulator keeps its clients.
	// Empty means a temporary directory that Close removes.
	Dir string
	// Tenant is the directory's name or id, ClientID the registered
	// application, Secret its only secret.
	Tenant, ClientID, Secret string
	// Hosts are further DNS names of the TLS certificate, for tests that reach
	// the simulator through a proxy or a dialler of their own.
	Hosts []string
	// History is how many calls Requests remembers; 0 means DefaultHistory.
	History int
	// Delay holds back each answer of Entra ID, Graph and Intune.
	Delay time.Duration
	// Now is the clock of challenges, tokens, locks and the Date header;
	// time.Now when nil.
	Now func() time.Time
}

// Server is a running simulator. Its methods may be called from any goroutine.
type Server struct {
	delay   time.Duration
	now     func() time.Time
	offset  atomic.Int64
	url     string
	hosts   hosts
	rootPEM []byte
	rootDir string
	tempDir string

	entra       *directory
	graph       *services
	challenges  *challenger
	console     *console
	revocations *revocations
	faults      *faults
	history     *history
	counters    counters

	control http.Handler
	http    *http.Server
	client  *http.Client
	running sync.WaitGroup // the listener and its calls
}

// Start listens, serves in the background and returns when calls are accepted.
func Start(o Options) (*Server, error) {
	o.Addr = cmp.Or(o.Addr, "127.0.0.1:0")
	o.Tenant = cmp.Or(o.Tenant, DefaultTenant)
	o.ClientID = cmp.Or(o.ClientID, DefaultClientID)
	o.Secret = cmp.Or(o.Secret, DefaultSecret)
	o.History = cmp.Or(o.History, DefaultHistory)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.History < 0 {
		return nil, fmt.Errorf("a history of %d calls is impossible", o.History)
	}

	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s := &Server{delay: o.Delay, now: o.Now}
	if err := s.prepare(o, listener.Addr().(*net.TCPAddr)); err != nil {
		return nil, errors.Join(err, listener.Close(), s.removeTemp())
	}
	s.running.Go(func() {
		// Serve ends with ErrServerClosed and nothing else of interest.
		_ = s.http.ServeTLS(listener, "", "")
	})
	return s, nil
}

// prepare makes everything that Start needs beside the listener.
func (s *Server) prepare(o Options, addr *net.TCPAddr) error {
	s.hosts = newHosts(o.Addr, addr, o.Hosts)
	s.url = "https://" + s.hosts.main
	if s.rootDir = o.Dir; s.rootDir == "" {
		dir, err := os.MkdirTemp("", "intunesim-")
		if err != nil {
			return fmt.Errorf("making a directory for the root: %w", err)
		}
		s.rootDir, s.tempDir = dir, dir
	}
	root, err := loadOrCreateRoot(s.rootDir)
	if err != nil {
		return err
	}
	leaf, err := root.issue(s.hosts.names)
	if err != nil {
		return err
	}
	s.rootPEM = root.pem

	if s.entra, err = newDirectory(o, s.hosts); err != nil {
		return err
	}
	if s.challenges, err = newChallenger(s.entra.tenantID); err != nil {
		return err
	}
	s.graph = newServices()
	s.console = newConsole()
	s.revocations = newRevocations()
	s.faults = newFaults()
	s.history = newHistory(o.History)
	s.control = s.controlHandler()
	s.client = clientTrusting(root.certificate)
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve),
		TLSConfig: &tls.Config{
			Certificates:     []tls.Certificate{leaf},
			MinVersion:       tls.VersionTLS12,
			VerifyConnection: func(tls.ConnectionState) error { s.counters.handshakes.Add(1); return nil },
		},
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(discard{}, "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			s.counters.connections.Add(1)
			return context.WithValue(ctx, connKey{}, conn)
		},
	}
	return nil
}

// discard swallows net/http's complaints about connections that tests cut.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// connKey finds a call's connection in its context, for faults that cut it.
type connKey struct{}

// URL is the simulator's address, for example https://127.0.0.1:8443, without
// a trailing slash. It serves as login, Graph and Intune address alike.
func (s *Server) URL() string { return s.url }

// RootPEM is the certificate, in PEM, that clients must trust.
func (s *Server) RootPEM() []byte { return s.rootPEM }

// RootFile is the file that holds RootPEM.
func (s *Server) RootFile() string { return filepath.Join(s.rootDir, rootCertFile) }

// HTTPClient returns a client that trusts the simulator. It is always the same one.
func (s *Server) HTTPClient() *http.Client { return s.client }

// Close cuts all connections and stops when no call is under way any more. What
// the simulator has recorded can still be read.
func (s *Server) Close() error {
	err := s.http.Close()
	s.running.Wait()
	s.client.CloseIdleConnections()
	return errors.Join(err, s.removeTemp())
}

func (s *Server) removeTemp() error {
	if s.tempDir == "" {
		return nil
	}
	return os.RemoveAll(s.tempDir)
}

// Now is the simulator's clock, Advance included.
func (s *Server) Now() time.Time {
	return s.now().Add(time.Duration(s.offset.Load()))
}

// Advance moves the simulator's clock: challenges and tokens expire, locks end,
// and the Date header shows a skew against the client's clock.
func (s *Server) Advance(d time.Duration) { s.offset.Add(int64(d)) }
