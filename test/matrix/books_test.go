package matrix

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// fate is what becomes of a request, as Intune sees it.
type fate string

const (
	// issued: approved, and one success notification accepted.
	issued fate = "issued"
	// unasked: Intune hears nothing at all.
	unasked fate = "unasked"
	// denied: Intune did not approve, and hears nothing more.
	denied fate = "denied"
	// unreported: approved, the success notification not accepted.
	unreported fate = "unreported"
	// failed: approved, then exactly one failure notification.
	failed fate = "failed"
)

// books hold what must have become of each request.
type books struct {
	mu    sync.Mutex
	lines []line
}

// line is one request. The hint must stand in the description of a failure that
// Intune is told, and in the log about a request that Intune is not asked about.
type line struct {
	test        string
	csr         []byte
	transaction string
	fate        fate
	hint        string
}

func (b *books) note(t *testing.T, l line) {
	l.test = t.Name()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, l)
}

// message is what is of interest in a call to Intune.
type message struct {
	CertificateRequest string
	HResult            int64
	ErrorDescription   string

	operation intunesim.Operation
	accepted  bool
}

// check compares the books with what Intune has seen and the CA has logged, once
// the CA has stopped.
func (b *books) check(t *testing.T, sim *harness.Sim, log string) {
	t.Helper()
	requests, err := sim.Requests()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string][]message{}
	for _, r := range requests {
		var body struct{ Request, Notification message }
		if json.Unmarshal([]byte(r.Body), &body) != nil {
			continue // a token request is a form
		}
		m := body.Request
		if m.CertificateRequest == "" {
			m = body.Notification
		}
		m.operation = r.Operation
		m.accepted = r.Status == 200 && strings.Contains(r.Answer, `"Success"`)
		seen[m.CertificateRequest] = append(seen[m.CertificateRequest], m)
	}
	for _, l := range b.lines {
		if problem := l.problem(seen[base64.StdEncoding.EncodeToString(l.csr)]); problem != "" {
			t.Errorf("%s: %s", l.test, problem)
		}
		if l.fate == unasked && !l.isLogged(log) {
			t.Errorf("%s: the log does not say %q about transaction %s", l.test, l.hint, l.transaction)
		}
	}
}

// isLogged reports whether a line about the transaction holds the hint.
func (l line) isLogged(log string) bool {
	for text := range strings.Lines(log) {
		if strings.Contains(text, `"transaction":"`+l.transaction+`"`) && strings.Contains(text, l.hint) {
			return true
		}
	}
	return l.hint == ""
}

// problem says what is wrong with the calls about a request.
func (l line) problem(calls []message) string {
	approved, validations, successes, accepted := false, 0, 0, 0
	var failures []message
	for _, m := range calls {
		switch m.operation {
		case intunesim.OpValidate:
			validations++
			approved = approved || m.accepted
		case intunesim.OpSuccess:
			successes++
			if m.accepted {
				accepted++
			}
		case intunesim.OpFailure:
			failures = append(failures, m)
		}
	}
	ok := false
	switch l.fate {
	case issued:
		ok = approved && successes == 1 && accepted == 1 && len(failures) == 0
	case unasked:
		ok = len(calls) == 0
	case denied:
		ok = validations > 0 && !approved && successes == 0 && len(failures) == 0
	case unreported:
		ok = approved && successes > 0 && accepted == 0 && len(failures) == 0
	case failed:
		ok = approved && successes == 0 && len(failures) == 1 && failures[0].accepted
	}
	if !ok {
		return "should be " + string(l.fate) + ", but Intune saw " + describe(calls)
	}
	if l.fate == failed {
		return l.problemOfFailure(failures[0])
	}
	return ""
}

// problemOfFailure looks at what an administrator will read in Intune's console.
func (l line) problemOfFailure(m message) string {
	length := utf8.RuneCountInString(m.ErrorDescription)
	switch {
	case m.HResult >= 0:
		return "the hResult is not negative: " + describe([]message{m})
	case length < 20 || length > 255:
		return "the description is empty, short or long: " + describe([]message{m})
	case !strings.Contains(m.ErrorDescription, l.hint):
		return "the description does not say " + l.hint + ": " + describe([]message{m})
	}
	return ""
}

func describe(calls []message) string {
	if len(calls) == 0 {
		return "nothing"
	}
	var parts []string
	for _, m := range calls {
		part := string(m.operation)
		if !m.accepted {
			part += " (not accepted)"
		}
		if m.operation == intunesim.OpFailure {
			text, _ := json.Marshal(map[string]any{"hResult": m.HResult, "errorDescription": m.ErrorDescription})
			part += " " + string(text)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
