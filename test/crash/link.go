package crash

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
)

// Link is a network between a replica and something else: a TCP proxy that can
// be cut.
type Link struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	cut     bool
	stalled chan struct{} // closed when bytes flow again; nil while they do
	conns   map[net.Conn]bool
}

// NewLink returns a link to a target, or with an empty one an HTTP proxy, which
// asks where each connection goes.
func NewLink(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Link{listener: listener, target: target, conns: map[net.Conn]bool{}}
	go l.serve()
	return l, nil
}

// Address is the near end of the link.
func (l *Link) Address() string { return l.listener.Addr().String() }

// Cut ends all connections and refuses others.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.conns {
		c.Close()
	}
}

// Stall holds back all bytes, as a network does that loses every packet.
func (l *Link) Stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled == nil {
		l.stalled = make(chan struct{})
	}
}

// Restore ends Cut and Stall.
func (l *Link) Restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
	if l.stalled != nil {
		close(l.stalled)
		l.stalled = nil
	}
}

// Close ends the link.
func (l *Link) Close() {
	l.listener.Close()
	l.Cut()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled != nil {
		close(l.stalled)
		l.stalled = nil
	}
}

func (l *Link) serve() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.carry(near)
	}
}

// carry moves the bytes of one connection.
func (l *Link) carry(near net.Conn) {
	defer near.Close()
	if !l.add(near) {
		return
	}
	defer l.remove(near)
	target, from := l.target, io.Reader(near)
	if target == "" {
		buffered := bufio.NewReader(near)
		r, err := http.ReadRequest(buffered)
		if err != nil || r.Method != http.MethodConnect {
			return
		}
		target, from = r.Host, buffered
	}
	l.wait()
	far, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer far.Close()
	if !l.add(far) {
		return
	}
	defer l.remove(far)
	if l.target == "" {
		if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			return
		}
	}
	done := make(chan struct{}, 2)
	go l.copy(far, from, done)
	go l.copy(near, far, done)
	<-done
}

func (l *Link) copy(to io.Writer, from io.Reader, done chan<- struct{}) {
	defer func() { done <- struct{}{} }()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		l.wait()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait returns when bytes flow.
func (l *Link) wait() {
	l.mu.Lock()
	stalled := l.stalled
	l.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

// add takes a connection, unless the link is cut.
func (l *Link) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	l.conns[c] = true
	return true
}

func (l *Link) remove(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}
