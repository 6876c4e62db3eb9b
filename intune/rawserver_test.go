package intune

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// rawRequest is a request as it stood on the wire, names unchanged.
type rawRequest struct {
	method, path string
	headers      map[string]string
	body         []byte
}

// rawServer speaks just enough HTTP/1.1 over TLS to see how header names are
// spelled, which net/http's server hides.
type rawServer struct {
	url   string
	roots *x509.CertPool

	mu       sync.Mutex
	requests []rawRequest
}

// newRawServer answers each request with what answer returns.
func newRawServer(t *testing.T, answer func(s *rawServer, r rawRequest) (status int, body string)) *rawServer {
	t.Helper()
	borrowed := httptest.NewUnstartedServer(http.NotFoundHandler())
	borrowed.StartTLS()
	cert := borrowed.TLS.Certificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())
	borrowed.Close()

	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{url: "https://" + l.Addr().String() + "/", roots: roots}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { s.serve(conn, answer) })
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return s
}

func (s *rawServer) serve(conn net.Conn, answer func(*rawServer, rawRequest) (int, string)) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		r := rawRequest{method: words[0], path: strings.TrimSuffix(words[1], "?"), headers: make(map[string]string)}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
			if !ok {
				break
			}
			r.headers[name] = value
		}
		n, _ := strconv.Atoi(r.headers["Content-Length"])
		r.body = make([]byte, n)
		if _, err := io.ReadFull(in, r.body); err != nil {
			return
		}
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		status, body := answer(s, r)
		fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			status, http.StatusText(status), len(body), body)
	}
}

func (s *rawServer) seen() []rawRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]rawRequest(nil), s.requests...)
}
