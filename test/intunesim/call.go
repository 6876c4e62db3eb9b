package intunesim

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxBody is more than any real request needs and enough for hostile ones.
const maxBody = 8 << 20

// call is one request to Entra ID, Graph or Intune, its body already read.
type call struct {
	*http.Request
	body []byte
	base string // the address under which the caller knows us
	now  time.Time
}

// answer is what a call gets. An answer without status cuts the connection.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// jsonAnswer encodes v, which must be encodable.
func jsonAnswer(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return answer{status: status, body: body}
}

// with returns the answer with one header more.
func (a answer) with(key, value string) answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(key, value)
	return a
}

// serve is the listener's handler: control requests go one way, calls the
// other, through history, statistics, faults and delays.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.control.ServeHTTP(w, r)
		return
	}
	s.running.Add(1)
	defer s.running.Done()
	begin := time.Now()
	operation, handle := s.route(r)
	c := &call{Request: r, base: s.hosts.base(r), now: s.Now()}
	// Reading all of the body first also lets net/http notice a client that
	// hangs up while its answer is held back.
	var err error
	c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	entry := s.history.add(c, operation)
	s.counters.count(operation)
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		s.reply(w, c, entry, intuneError(c, status, "reading the body failed"))
		return
	}
	a := s.answer(c, operation, handle)
	switch operation {
	case OpValidate, OpSuccess, OpFailure:
		s.counters.answering.Add(int64(time.Since(begin)))
	}
	s.reply(w, c, entry, a)
}

// answer handles the call, spoilt by the fault that is next in line for it.
func (s *Server) answer(c *call, operation Operation, handle func(*call) answer) answer {
	begin := time.Now()
	fault := s.faults.take(operation)
	if fault == nil {
		if !wait(c.Context(), s.delay, nil) {
			return answer{}
		}
		return handle(c)
	}
	if fault.Reached != nil {
		fault.Reached()
	}
	var a answer
	if fault.After {
		a = handle(c)
	}
	if !wait(c.Context(), s.delay+fault.Delay-time.Since(begin), fault.Hold) {
		if fault.Gone != nil {
			fault.Gone()
		}
		return answer{}
	}
	if fault.Drop {
		return answer{}
	}
	switch {
	case fault.spoils():
		a = fault.answer(c)
	case !fault.After:
		a = handle(c)
	}
	return fault.decorated(a)
}

// reply records the answer, then sends it.
func (s *Server) reply(w http.ResponseWriter, c *call, entry *Request, a answer) {
	s.history.finish(entry, a)
	if a.status == 0 {
		cut(c.Request)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Date", s.Now().UTC().Format(http.TimeFormat))
	h.Set("request-id", uuid.NewString())
	if id := c.Header.Get("client-request-id"); id != "" {
		h.Set("client-request-id", id)
	}
	for key, values := range a.header {
		h[http.CanonicalHeaderKey(key)] = values
	}
	w.WriteHeader(a.status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(a.body)
}

// cut closes the connection below the call, which is an end without an answer
// for every other call on an HTTP/2 connection too.
func cut(r *http.Request) {
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}
