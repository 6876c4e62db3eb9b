package intune

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"

	"github.com/google/uuid"
)

// request is one HTTP request with a bearer token.
type request struct {
	method, url string
	token       string
	version     string // api-version; with it goes what Intune wants besides
	body        []byte
	limit       int64           // of the answer, in bytes
	hide        func() []string // what no error may repeat; called when there is one
}

// reply is what came of it.
type reply struct {
	activity string
	status   int
	header   http.Header
	body     []byte
	err      error
	hide     func() []string
}

// send does one request. Header names are spelled as Microsoft's own library
// spells them; HTTP/2 has them in lower case anyway.
func (c *Client) send(ctx context.Context, q request) reply {
	r := reply{activity: uuid.NewString(), hide: q.hide}
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, body)
	if err != nil {
		r.err = errors.New("the address is not valid")
		return r
	}
	req.Header = http.Header{
		"Authorization":     {"Bearer " + q.token},
		"User-Agent":        {c.callerInfo},
		"client-request-id": {r.activity},
	}
	if q.version != "" {
		req.Header["content-type"] = []string{"application/json"}
		req.Header["api-version"] = []string{q.version}
		req.Header["UserAgent"] = []string{c.callerInfo}
	}
	res, err := c.http.Do(req)
	if err != nil {
		r.err = newCause(bareURLError(err), q.hide()...)
		return r
	}
	r.status, r.header = res.StatusCode, res.Header
	if r.body, err = readBody(res.Body, q.limit); err != nil {
		r.err = newCause(err, q.hide()...)
	}
	return r
}

// outcome judges everything but the body of a 200.
func (r reply) outcome(ctx context.Context) outcome {
	o := outcome{status: r.status, activity: r.activity}
	switch {
	case r.err != nil:
		o.err = &ServiceError{Kind: ErrUnavailable, Cause: r.err}
		o.verdict = networkVerdict(r.err)
		var bad *tls.CertificateVerificationError
		switch {
		case ctx.Err() != nil:
			o.err.Cause, o.verdict = context.Cause(ctx), final
		case errors.Is(r.err, errTooLarge):
			o.verdict = final
		case errors.As(r.err, &bad):
			o.err.Advice = "Check the root certificates that are trusted for the connections to Microsoft."
		}
	case r.status == http.StatusOK:
	default:
		f := parseFault(r.body)
		o.err = &ServiceError{
			Kind: ErrUnavailable, Description: redact(f.String(), r.hide()...),
			RetryAfter: waitAsked(r.header, f),
		}
		if r.status == http.StatusTooManyRequests {
			o.err.Kind = ErrThrottled
		}
		if isPassing(r.status) {
			o.verdict = passing
		}
	}
	return o
}
