package webhook

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// RoundTripper returns a transport that serves calls to [Host] by h, inside the process,
// and passes all others on to next untouched.
func (h *Handler) RoundTripper(next http.RoundTripper) http.RoundTripper {
	return &transport{handler: h, next: next}
}

type transport struct {
	handler http.Handler
	next    http.RoundTripper
}

var _ http.RoundTripper = (*transport)(nil)

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != Host {
		return t.next.RoundTrip(r)
	}
	if r.Body != nil {
		defer r.Body.Close()
	} else {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	w := &response{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(w, r)
	return &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		Body:          io.NopCloser(&w.body),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}, nil
}

// response collects what a handler writes.
type response struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *response) WriteHeader(status int)      { r.status = status }
