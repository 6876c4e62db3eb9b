package intunesim

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Request is one call that the simulator received.
type Request struct {
	Time      time.Time   `json:"time"`
	Operation Operation   `json:"operation"`
	Method    string      `json:"method"`
	Path      string      `json:"path"` // as sent, with the query
	Proto     string      `json:"proto"`
	Headers   http.Header `json:"headers"` // names in canonical spelling: UserAgent is Useragent
	Body      string      `json:"body"`
	// Status and Answer are zero while the call is held back, and stay so when
	// the connection was cut.
	Status int    `json:"status"`
	Answer string `json:"answer"`
}

// history remembers the newest calls in a ring.
type history struct {
	limit   int
	mu      sync.Mutex
	entries []*Request
	next    int // where the ring is written once it is full
}

func newHistory(limit int) *history { return &history{limit: limit} }

func (h *history) add(c *call, operation Operation) *Request {
	entry := &Request{
		Time: c.now, Operation: operation, Method: c.Method, Path: c.URL.RequestURI(),
		Proto: c.Proto, Headers: c.Header, Body: string(c.body),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.entries) < h.limit {
		h.entries = append(h.entries, entry)
		return entry
	}
	h.entries[h.next] = entry
	h.next = (h.next + 1) % h.limit
	return entry
}

func (h *history) finish(entry *Request, a answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	entry.Status, entry.Answer = a.status, string(a.body)
}

// Requests returns the remembered calls, oldest first.
func (s *Server) Requests() []Request {
	h := s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Request, 0, len(h.entries))
	for _, e := range slices.Concat(h.entries[h.next:], h.entries[:h.next]) {
		all = append(all, *e)
	}
	return all
}

// ClearRequests forgets the remembered calls; statistics stay.
func (s *Server) ClearRequests() {
	h := s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries, h.next = nil, 0
}

// Stats counts since the start. Connections and handshakes include those of
// control requests made over the network.
type Stats struct {
	Connections int64               `json:"connections"`
	Handshakes  int64               `json:"handshakes"` // completed TLS handshakes, resumed ones included
	Calls       map[Operation]int64 `json:"calls"`
	// Answering is how long all calls to Intune's SCEP operations took together, from the
	// arrival of their headers to the answer, in nanoseconds.
	Answering time.Duration `json:"answering"`
}

type counters struct {
	connections, handshakes atomic.Int64
	answering               atomic.Int64 // nanoseconds
	mu                      sync.Mutex
	calls                   map[Operation]int64
}

func (c *counters) count(operation Operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[Operation]int64{}
	}
	c.calls[operation]++
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.counters
	stats := Stats{
		Connections: c.connections.Load(),
		Answering:   time.Duration(c.answering.Load()),
		Handshakes:  c.handshakes.Load(),
		Calls:       map[Operation]int64{},
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for operation, n := range c.calls {
		stats.Calls[operation] = n
	}
	return stats
}
