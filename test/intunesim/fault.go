package intunesim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Fault makes calls of one operation misbehave. Delay comes first, then the
// first of Drop, Body, Code, Status and RetryAfter that is set; with none of them
// the call is answered as usual.
type Fault struct {
	Operation Operation
	// Times is how many calls are affected; 0 means all until ClearFaults.
	// Several faults of one operation are used up one after another.
	Times int
	// Probability, when set, affects each call with this chance only.
	Probability float64
	// Status is the answer's HTTP status. The default is 200 with a Body or a
	// Code of Intune's, what Entra ID uses for a Code of its own, and 503 with
	// RetryAfter alone. From 400 on, an answer without Body is an error in
	// Microsoft's form; below, it is empty.
	Status int
	// Code is a result code of Intune, or for operation token the number of an
	// AADSTS error. ErrorDescription goes with it.
	Code, ErrorDescription string
	// Body is sent as it stands.
	Body string
	// Header fields are added to the answer.
	Header map[string]string
	// RetryAfter becomes the Retry-After header, in seconds.
	RetryAfter time.Duration
	// Delay holds the call back. It ends early when the client hangs up, and
	// the call then has no effect, unless After is set. With After the answer comes this long
	// after the call, whatever its effect has taken of that.
	Delay time.Duration
	// Drop cuts the connection instead of answering.
	Drop bool
	// After lets the call take effect before the fault spoils its answer, like
	// an answer that is lost on its way.
	After bool

	// Reached, for tests in the same process, is called when a call meets the
	// fault. Hold keeps the call back until the channel is closed. Gone is called
	// when the client hangs up during Delay or Hold.
	Reached func()
	Hold    <-chan struct{}
	Gone    func()
}

// faultJSON is Fault on the wire, as POST /_sim/faults takes it.
type faultJSON struct {
	Operation        Operation         `json:"operation"`
	Times            int               `json:"times,omitempty"`
	Probability      float64           `json:"probability,omitempty"`
	Status           int               `json:"status,omitempty"`
	Code             string            `json:"code,omitempty"`
	ErrorDescription string            `json:"errorDescription,omitempty"`
	Body             string            `json:"body,omitempty"`
	Header           map[string]string `json:"header,omitempty"`
	RetryAfter       duration          `json:"retryAfter,omitempty"`
	Delay            duration          `json:"delay,omitempty"`
	Drop             bool              `json:"drop,omitempty"`
	After            bool              `json:"after,omitempty"`
}

// MarshalJSON writes what POST /_sim/faults takes.
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{
		f.Operation, f.Times, f.Probability, f.Status, f.Code, f.ErrorDescription, f.Body, f.Header,
		duration(f.RetryAfter), duration(f.Delay), f.Drop, f.After,
	})
}

// UnmarshalJSON reads what POST /_sim/faults takes; unknown keys are an error.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var j faultJSON
	if err := decodeStrict(bytes.NewReader(data), &j); err != nil {
		return err
	}
	*f = Fault{
		Operation: j.Operation, Times: j.Times, Probability: j.Probability, Status: j.Status, Code: j.Code,
		ErrorDescription: j.ErrorDescription, Body: j.Body, Header: j.Header,
		RetryAfter: time.Duration(j.RetryAfter), Delay: time.Duration(j.Delay), Drop: j.Drop, After: j.After,
	}
	return nil
}

var faultyOperations = []Operation{
	OpInstanceDiscovery, OpOpenIDConfiguration, OpToken, OpManagedIdentity, OpDiscovery,
	OpValidate, OpSuccess, OpFailure, OpDownload, OpUpload,
}

func (f *Fault) check() error {
	if !slices.Contains(faultyOperations, f.Operation) {
		return fmt.Errorf("unknown operation %q", f.Operation)
	}
	if f.Times < 0 || f.Delay < 0 || f.RetryAfter < 0 || f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("fault of %s with an impossible number", f.Operation)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("impossible status %d", f.Status)
	}
	if f.Operation == OpToken && f.Code != "" {
		if _, err := strconv.Atoi(f.Code); err != nil {
			return fmt.Errorf("code %q of operation token is not an AADSTS number", f.Code)
		}
	}
	return nil
}

// spoils reports whether the fault has an answer of its own.
func (f *Fault) spoils() bool {
	return f.Status != 0 || f.Code != "" || f.Body != "" || f.RetryAfter != 0
}

// answer is what the fault says instead of the simulator.
func (f *Fault) answer(c *call) answer {
	a := answer{status: cmp.Or(f.Status, http.StatusOK)}
	switch {
	case f.Body != "":
		a.body = []byte(f.Body)
	case f.Code != "" && (f.Operation == OpToken):
		number, _ := strconv.Atoi(f.Code) // checked when it was added
		a = aadsts(c, number, cmp.Or(f.ErrorDescription, "simulated."))
		a.status = cmp.Or(f.Status, a.status)
	case f.Code != "":
		a = intuneResult(c, f.Code, cmp.Or(f.ErrorDescription, "simulated refusal"))
		a.status = cmp.Or(f.Status, a.status)
	default:
		if f.Status == 0 && f.RetryAfter > 0 {
			a.status = http.StatusServiceUnavailable
		}
		if a.status >= 400 {
			a = f.microsoftError(c, a.status)
		}
	}
	if f.RetryAfter > 0 {
		a = a.with("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	return a
}

// decorated adds the fault's header fields to the answer.
func (f *Fault) decorated(a answer) answer {
	for key, value := range f.Header {
		a = a.with(key, value)
	}
	return a
}

// microsoftError is the body that goes with status in the service at hand.
func (f *Fault) microsoftError(c *call, status int) answer {
	description := cmp.Or(f.ErrorDescription, "simulated fault")
	switch f.Operation {
	case OpToken, OpManagedIdentity, OpInstanceDiscovery, OpOpenIDConfiguration:
		a := aadsts(c, 90033, description)
		a.status = status
		return a
	case OpDiscovery:
		return graphError(c, status, "", description)
	default:
		return intuneError(c, status, description)
	}
}

// faults are the faults still to come.
type faults struct {
	mu    sync.Mutex
	queue map[Operation][]*Fault
}

func newFaults() *faults { return &faults{queue: map[Operation][]*Fault{}} }

// take finds the fault for a call of the operation and uses it up by one.
func (f *faults) take(operation Operation) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.queue[operation] {
		if fault.Probability > 0 && rand.Float64() >= fault.Probability {
			continue
		}
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.queue[operation] = slices.Delete(f.queue[operation], i, i+1)
			}
		}
		copied := *fault
		return &copied
	}
	return nil
}

// AddFault queues a fault. An operation that does not exist is an error.
func (s *Server) AddFault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.queue[f.Operation] = append(s.faults.queue[f.Operation], &f)
	return nil
}

// ClearFaults ends all faults; a call that is held back already stays so.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	clear(s.faults.queue)
}

// wait reports whether the caller was still there when delay was over and hold,
// unless nil, was closed.
func wait(ctx context.Context, delay time.Duration, hold <-chan struct{}) bool {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
