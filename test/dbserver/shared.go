package dbserver

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
)

// Shared is one server for all tests of a package. It starts with the first that asks for
// it; TestMain stops it.
type Shared struct {
	Start func(context.Context) (*Server, error)

	once   sync.Once
	server *Server
	err    error
}

// Server returns the running server. Where it is not installed the test is skipped, or
// fails if NEED_SERVERS is set.
func (s *Shared) Server(t testing.TB) *Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = s.Start(context.Background()) })
	if errors.Is(s.err, ErrNotInstalled) && os.Getenv("NEED_SERVERS") == "" {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Stop ends the server if it runs.
func (s *Shared) Stop() {
	if s.server != nil {
		s.server.Stop()
	}
}
