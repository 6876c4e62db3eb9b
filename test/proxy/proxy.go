// Package proxy is an HTTP proxy for tests. It knows CONNECT only.
package proxy

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Proxy is a running proxy. Set To before its first request.
type Proxy struct {
	*httptest.Server
	To string // where every tunnel leads; empty: where it is asked for

	credentials string
	tunnels     sync.WaitGroup

	mu        sync.Mutex
	connected []string
	refused   int
}

// Start runs a proxy until the test ends. It lets in who has the credentials,
// "user:password", or everybody when they are empty.
func Start(t testing.TB, credentials string) *Proxy {
	t.Helper()
	p := &Proxy{credentials: credentials}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(func() { p.CloseClientConnections(); p.Close(); p.tunnels.Wait() })
	return p
}

// Connected returns the hosts that it was asked for by who was let in.
func (p *Proxy) Connected() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.connected)
}

// Refused returns how many requests it did not let in.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if !p.admits(r) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="test"`)
		http.Error(w, "who are you", http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	to, err := net.Dial("tcp", cmp.Or(p.To, r.Host))
	if err != nil {
		http.Error(w, "unreachable", http.StatusBadGateway)
		return
	}
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		to.Close()
		return
	}
	fmt.Fprint(from, "HTTP/1.1 200 OK\r\n\r\n")
	p.tunnels.Go(func() { defer to.Close(); _, _ = io.Copy(to, bufio.NewReader(buffered)) })
	p.tunnels.Go(func() { defer from.Close(); _, _ = io.Copy(from, to) })
}

// admits notes the request, too.
func (p *Proxy) admits(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.credentials))
	if p.credentials != "" && r.Header.Get("Proxy-Authorization") != want {
		p.refused++
		return false
	}
	if r.Method == http.MethodConnect {
		p.connected = append(p.connected, r.Host)
	}
	return true
}
