package intune

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fault is what Graph and Intune say in the body of an error:
//
//	{"error":{"code":"InternalError","message":"{\"Message\":\"…\",\"RetryAfter\":…}"}}
//
// where the inner object is seen from Intune only.
type fault struct {
	code, message string
	retryAfter    time.Duration
}

// parseFault gets what it can from any body; it never fails.
func parseFault(body []byte) fault {
	var outer struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return fault{}
	}
	f := fault{code: outer.Error.Code, message: outer.Error.Message}
	var inner struct {
		Message    string          `json:"Message"`
		RetryAfter json.RawMessage `json:"RetryAfter"`
	}
	if json.Unmarshal([]byte(f.message), &inner) == nil {
		if inner.Message != "" {
			f.message = inner.Message
		}
		f.retryAfter = parseRetryAfter(strings.Trim(string(inner.RetryAfter), `"`), time.Now())
	}
	return f
}

// String is the fault in one line without anything secret.
func (f fault) String() string {
	code, message := redact(f.code), redact(f.message)
	if code != "" && message != "" {
		return code + ": " + message
	}
	return code + message
}

// longestWait bounds what is taken from a Retry-After.
const longestWait = 24 * time.Hour

// parseRetryAfter understands both forms of the header (RFC 9110, section
// 10.2.3), seconds and a date, and a span such as 00:00:05. Anything else,
// and any time that is past, is 0.
func parseRetryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	var d time.Duration
	if secs, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(secs) || secs <= 0 {
			return 0
		}
		d = time.Duration(min(secs, longestWait.Seconds()) * float64(time.Second))
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	} else if t, err := time.Parse("15:04:05", s); err == nil {
		d = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	}
	return min(max(d, 0), longestWait)
}

// waitAsked is the longer of what header and body ask for.
func waitAsked(h http.Header, f fault) time.Duration {
	return max(parseRetryAfter(h.Get("Retry-After"), time.Now()), f.retryAfter)
}
