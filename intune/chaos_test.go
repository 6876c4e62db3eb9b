package intune

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// chaosFaults are answers that approve nothing, or none at all.
var chaosFaults = []func(r *http.Request) (*http.Response, error){
	func(*http.Request) (*http.Response, error) { return nil, errReset },
	func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
	func(r *http.Request) (*http.Response, error) { return nil, sleep(r.Context(), 3*time.Second) },
	func(*http.Request) (*http.Response, error) { return answerWith(500, "{"), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(502, "<html>"), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(503, "", "Retry-After", "1"), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(429, "", "Retry-After", "1"), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(401, ""), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(404, ""), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(302, "", "Location", "/"), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(204, ""), nil },
	func(*http.Request) (*http.Response, error) { return answerWith(200, `{"code":"Success"}`), nil },
	func(*http.Request) (*http.Response, error) {
		return answerWith(200, `{"code":"Success","errorDes`), nil
	},
	func(*http.Request) (*http.Response, error) { return answerWith(200, "<html>Success</html>"), nil },
	func(*http.Request) (*http.Response, error) {
		return answerWith(200, `{"code":"NewCode","errorDescription":""}`), nil
	},
}

// chaoticStub approves transactions that begin with "good", and lets every
// fault happen with a chance of 5 %. It notes what it approved.
type chaoticStub struct {
	stub
	begun    atomic.Bool
	random   *rand.Rand
	approved map[string]bool
}

func (s *chaoticStub) fault(r *http.Request) (*http.Response, error) {
	if !s.begun.Load() {
		return nil, nil
	}
	for _, f := range chaosFaults {
		s.mu.Lock()
		hit := s.random.IntN(20) == 0
		s.mu.Unlock()
		if hit {
			return f(r)
		}
	}
	return nil, nil
}

func (s *chaoticStub) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte(nil)
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	if res, err := s.fault(r); res != nil || err != nil {
		return res, err
	}
	if err := sleep(r.Context(), 50*time.Millisecond); err != nil {
		return nil, err
	}
	if stubOperation(r) != "validateRequest" {
		return s.stub.RoundTrip(r)
	}
	_, rest, _ := strings.Cut(string(body), `"transactionId":"`)
	tx, _, _ := strings.Cut(rest, `"`)
	if !strings.HasPrefix(tx, "good") {
		return answerWith(200, `{"code":"ChallengeDecodingError","errorDescription":""}`), nil
	}
	s.mu.Lock()
	s.approved[tx] = true
	s.mu.Unlock()
	return answerWith(200, `{"code":"Success","errorDescription":""}`), nil
}

// TestUnderRandomFaultsNothingIsApprovedThatWasNot lets 10,000 callers begin
// within a minute. None of them may stay: synctest fails when a goroutine is
// left over.
func TestUnderRandomFaultsNothingIsApprovedThatWasNot(t *testing.T) {
	csr, _ := recordedCSR(t)
	before := heapInUse()
	for _, spread := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprintf("begun within %s", spread), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 10_000
				s := &chaoticStub{random: rand.New(rand.NewPCG(1, 2)), approved: make(map[string]bool)}
				cfg := stubConfig(&s.stub)
				cfg.base, cfg.jitter, cfg.Retries, cfg.Timeout = s, nil, 5, 30*time.Second
				client, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.ValidateRequest(t.Context(), "good", csr); err != nil {
					t.Fatal(err)
				}
				s.begun.Store(true)
				begin := time.Now()
				errs := make([]error, n)
				var all sync.WaitGroup
				for i := range n {
					all.Go(func() {
						time.Sleep(time.Duration(i) * spread / n)
						_, errs[i] = client.ValidateRequest(t.Context(), chaosTransaction(i), csr)
					})
				}
				all.Wait()
				if took := time.Since(begin); took > spread+30*time.Second {
					t.Errorf("it took %s", took)
				}
				time.Sleep(time.Minute) // loads in the background end, too
				kinds := make(map[string]int)
				for i, err := range errs {
					tx := chaosTransaction(i)
					kinds[errorKind(err)]++
					if err == nil && (!s.approved[tx] || strings.HasPrefix(tx, "bad")) {
						t.Errorf("%s was approved by nobody", tx)
					}
					if errorKind(err) == "none of ours" {
						t.Error(err)
					}
				}
				if spread > 0 && kinds["approved"] < n/4 {
					t.Errorf("only %d were approved", kinds["approved"])
				}
				t.Logf("%v, calls %v", kinds, s.seen())
			})
		})
	}
	if after := heapInUse(); after > before+8<<20 {
		t.Errorf("%d kB of memory are in use, there were %d", after>>10, before>>10)
	}
}

func chaosTransaction(i int) string {
	if i%4 == 0 {
		return fmt.Sprint("bad-", i)
	}
	return fmt.Sprint("good-", i)
}

func errorKind(err error) string {
	if err == nil {
		return "approved"
	}
	for _, kind := range []error{ErrRefused, ErrThrottled, ErrUnavailable, ErrUnauthorized, ErrServiceNotFound} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "none of ours"
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
