package intune_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestASteadyStateCostsOnePostEach(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	client := newClient(t, simConfig(sim))
	if err := validate(t, client, csr); err != nil {
		t.Fatal(err)
	}
	before := sim.Stats()
	workers(t, 8, 1000, func(int) error { return validate(t, client, csr) })
	after := sim.Stats()
	for op, want := range map[intunesim.Operation]int64{
		intunesim.OpValidate: 1000, intunesim.OpToken: 0, intunesim.OpDiscovery: 0, intunesim.OpOpenIDConfiguration: 0,
	} {
		if got := after.Calls[op] - before.Calls[op]; got != want {
			t.Errorf("%d calls of %s, want %d", got, op, want)
		}
	}
	if after.Connections > 8 {
		t.Errorf("%d connections, want at most 8", after.Connections)
	}
}

// The same with 500 callers is a test in fake time, which no busy machine can disturb.
func TestManyFirstCallersShareTokensAndLookUpAtTheSimulator(t *testing.T) {
	const callers = 100
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	cfg := simConfig(sim)
	cfg.Timeout = time.Minute // for a busy machine
	var lost atomic.Int64
	cfg.Observer = func(_ context.Context, a intune.Attempt) {
		if a.Err != nil {
			lost.Add(1)
			t.Log(a.Err)
		}
	}
	client := newClient(t, cfg)
	workers(t, callers, callers, func(int) error { return validate(t, client, csr) })
	calls := sim.Stats().Calls
	// A connection that a busy machine loses makes calls be repeated.
	repeated := calls[intunesim.OpDiscovery] != 1 || calls[intunesim.OpValidate] != callers
	if calls[intunesim.OpToken] != 2 || repeated && lost.Load() == 0 {
		t.Errorf("calls %v", calls)
	}
}

// workers lets n goroutines do total jobs.
func workers(t *testing.T, n, total int, job func(int) error) {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= total {
					return
				}
				if err := job(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestHTTP1ConnectionsAreReused has servers in mind that do not speak HTTP/2.
// There net/http dials whenever no connection is idle at that moment, and keeps
// what it does not need: up to the limit per host, which a busy machine reaches.
func TestHTTP1ConnectionsAreReused(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	var opened atomic.Int64
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"code":"Success","errorDescription":""}`)
	}))
	front.Config.ConnState = countNew(&opened)
	front.StartTLS()
	defer front.Close()
	sim.SetServices([]intunesim.Service{{ProviderName: "ScepRequestValidationFEService", URI: front.URL + "/Scep"}}, 0)
	cfg := simConfig(sim)
	cfg.TLS.RootCAs.AddCert(front.Certificate())
	client := newClient(t, cfg)
	workers(t, 8, 1000, func(int) error { return validate(t, client, csr) })
	const limit = 32 // as docs/intune-client.md says
	if n := opened.Load(); n > limit {
		t.Errorf("%d connections", n)
	} else {
		t.Logf("%d connections", n)
	}
}

func countNew(n *atomic.Int64) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			n.Add(1)
		}
	}
}

// chaos is every fault, each with a chance of 5 % at every call.
var chaos = []intunesim.Fault{
	{Drop: true},
	{Drop: true, After: true},
	{Status: 500},
	{Status: 502, Body: "<html>bad gateway</html>"},
	{Status: 503, RetryAfter: time.Second},
	{Status: 429, RetryAfter: time.Second},
	{Status: 401},
	{Status: 403},
	{Status: 404},
	{Status: 302, Header: map[string]string{"Location": "https://127.0.0.1:1/"}},
	{Status: 204},
	{Body: `{"code":"Success"}`},
	{Body: `{"code":"Success","errorDescription":"`},
	{Body: `<html>Success</html>`},
	{Code: "NewCode"},
	{Code: "ChallengeExpired"},
	{Delay: 100 * time.Millisecond},
}

// chaosCalls is small for every day, since a cut HTTP/2 connection takes all calls on it
// along, and each of them waits for its time-out under the race detector.
var chaosCalls = flag.Int("chaos", 200, "validations against the simulator under random faults")

func TestTheSimulatorUnderRandomFaultsApprovesWhatItApproves(t *testing.T) {
	n := *chaosCalls
	runtime.GC()
	goroutines := runtime.NumGoroutine()
	t.Run("run", func(t *testing.T) {
		sim := startSim(t, intunesim.Options{History: 20 * n})
		genuine, forged := newRequest(t, sim), requestWith(t, "CN=device-1", "forged")
		client := newClient(t, simConfig(sim))
		if err := validate(t, client, genuine); err != nil {
			t.Fatal(err)
		}
		addChaos(t, sim)
		errs := make([]error, n)
		workers(t, max(100, n/10), n, func(i int) error {
			csr := genuine
			if i%4 == 0 {
				csr = forged
			}
			_, errs[i] = client.ValidateRequest(t.Context(), fmt.Sprint("tx-", i), csr)
			return nil
		})
		bySim := approvals(t, sim)
		kinds := make(map[string]int)
		for i, err := range errs {
			kinds[kindOf(err)]++
			if err == nil && (!bySim[fmt.Sprint("tx-", i)] || i%4 == 0) {
				t.Errorf("tx-%d was approved by nobody", i)
			}
			if kindOf(err) == "other" {
				t.Errorf("tx-%d: %v", i, err)
			}
		}
		t.Logf("%v; calls %v", kinds, sim.Stats().Calls)
	})
	settle(t, goroutines)
}

func addChaos(t *testing.T, sim *intunesim.Server) {
	t.Helper()
	for _, op := range []intunesim.Operation{intunesim.OpToken, intunesim.OpDiscovery, intunesim.OpValidate} {
		for _, f := range chaos {
			if op != intunesim.OpValidate && f.Code != "" {
				continue // codes of Intune's
			}
			f.Operation, f.Probability = op, 0.05
			if err := sim.AddFault(f); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func kindOf(err error) string {
	for name, kind := range map[string]error{
		"refused": intune.ErrRefused, "unauthorized": intune.ErrUnauthorized, "not found": intune.ErrServiceNotFound,
	} {
		if errors.Is(err, kind) {
			return name
		}
	}
	switch {
	case err == nil:
		return "approved"
	case errors.Is(err, intune.ErrThrottled):
		return "throttled"
	case errors.Is(err, intune.ErrUnavailable):
		return "unavailable"
	}
	return "other"
}

// approvals are the transactions that the simulator answered with Success.
func approvals(t *testing.T, sim *intunesim.Server) map[string]bool {
	t.Helper()
	approved := make(map[string]bool)
	for _, r := range sim.Requests() {
		if r.Operation != intunesim.OpValidate || r.Status != 200 || !strings.Contains(r.Answer, `"Success"`) || !strings.Contains(r.Answer, "errorDescription") {
			continue
		}
		var body struct {
			Request struct{ TransactionID string } `json:"request"`
		}
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
			t.Fatal(err)
		}
		approved[body.Request.TransactionID] = true
	}
	return approved
}

// settle waits until the goroutines are as many as before.
func settle(t *testing.T, goroutines int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines+2 {
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines, there were %d", runtime.NumGoroutine(), goroutines)
			return
		}
		runtime.Gosched()
	}
}
