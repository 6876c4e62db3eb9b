package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// listener serves a handler at one address at a time.
type listener struct {
	handler http.Handler

	mu      sync.Mutex
	address string
	tcp     net.Listener
	server  *http.Server // nil: not serving
	closed  bool
}

// move serves at another address.
func (l *listener) move(address string, allowRemote bool, log *slog.Logger) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || address == l.address {
		return nil
	}
	if address == "" {
		l.stop()
		return nil
	}
	before := l.address
	if samePort(before, address) {
		l.stop() // one port of all interfaces and of one of them exclude each other
	}
	if err := l.serve(address, allowRemote, log); err != nil {
		if l.server == nil && before != "" {
			if again := l.serve(before, true, log); again != nil {
				log.Error("the status listener has ended", "address", before, "err", again)
			}
		}
		return err
	}
	return nil
}

// serve begins to serve, and ends what served before.
func (l *listener) serve(address string, allowRemote bool, log *slog.Logger) error {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if !allowRemote && !isLoopbackPeer(tcp.Addr().String()) {
		tcp.Close()
		return fmt.Errorf("listening on %q: %w", address, errNotLoopback)
	}
	l.stop()
	server := &http.Server{
		Handler:           l.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	l.address, l.tcp, l.server = address, tcp, server
	go func() {
		if err := server.Serve(tcp); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			log.Error("the status listener has ended", "address", address, "err", err)
		}
	}()
	log.Info("status listener serves", "address", address)
	return nil
}

// stop ends what serves, if anything does.
func (l *listener) stop() {
	if l.server == nil {
		return
	}
	l.tcp.Close() // the server may not have begun, and would not know it
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		l.server.Close()
	}
	l.address, l.tcp, l.server = "", nil, nil
}

// close ends the listener for good.
func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	l.closed = true
}

func samePort(a, b string) bool {
	_, p, err := net.SplitHostPort(a)
	_, q, _ := net.SplitHostPort(b)
	return err == nil && p == q
}
