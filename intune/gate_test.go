package intune

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfter429AllCallersWaitTogether(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var arrivals []time.Time
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		s.answer = func(op string, n int, _ *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			arrivals = append(arrivals, time.Now())
			if len(arrivals) == 1 {
				return answerWith(429, "", "Retry-After", "4"), nil
			}
			return nil, nil
		}
		// One caller finds out; a hundred that come after it wait with it.
		begin := time.Now()
		var all sync.WaitGroup
		all.Go(func() { validateAtOnce(t, client, csr, 1) })
		synctest.Wait()
		time.Sleep(time.Second)
		for _, err := range validateAtOnce(t, client, csr, 100) {
			if err != nil {
				t.Error(err)
			}
		}
		all.Wait()
		early := 0
		for _, at := range arrivals {
			if at.Sub(begin) < 4*time.Second {
				early++
			}
		}
		if len(arrivals) != 102 || early != 1 {
			t.Errorf("%d calls, %d of them before the time was over", len(arrivals), early)
		}
	})
}

func TestWhoCannotWaitForTheGateIsToldAtOnce(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s, func(c *Config) { c.Retries = 0 })
		validateAtOnce(t, client, csr, 1)
		s.answer = firstTimes("validateRequest", 2, 429, "", "Retry-After", "30")
		validateAtOnce(t, client, csr, 1)
		begin := time.Now()
		for _, err := range validateAtOnce(t, client, csr, 50) {
			var se *ServiceError
			if !errors.Is(err, ErrThrottled) || !errors.Is(err, ErrUnavailable) || !errors.As(err, &se) || se.RetryAfter != 30*time.Second {
				t.Errorf("got %v", err)
			}
		}
		if time.Since(begin) != 0 || s.count("validateRequest") != 2 {
			t.Errorf("%d calls, %s", s.count("validateRequest"), time.Since(begin))
		}
		// The revocation service has not said anything.
		if _, _, err := client.DownloadRevocationRequests(t.Context(), 1, ""); err != nil {
			t.Errorf("another service is held up: %v", err)
		}
		time.Sleep(30 * time.Second)
		if err := validateAtOnce(t, client, csr, 1)[0]; err != nil {
			t.Errorf("after the time was over: %v", err)
		}
	})
}

func TestAnAbsurdRetryAfterDoesNotHoldUpForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.shut(24 * time.Hour)
		if left := g.left(); left != maxGate {
			t.Errorf("the gate is shut for %s", left)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); cancel() }()
		if _, err := g.wait(ctx, fullJitter); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled wait returns %v", err)
		}
	})
}

func TestJitterIsFull(t *testing.T) {
	for range 1000 {
		if d := fullJitter(time.Second); d < 0 || d >= time.Second {
			t.Fatalf("jitter of %s", d)
		}
	}
	if fullJitter(0) != 0 {
		t.Error("jitter of nothing is something")
	}
}

func TestTheSpreadMakesNobodyLate(t *testing.T) {
	csr, _ := recordedCSR(t)
	for _, test := range []struct {
		name, after string
		calls       int
		elapsed     time.Duration
	}{
		{"half a second before the end", "9.5", 2, 9750 * time.Millisecond},
		{"a moment before the end", "9.998", 2, 9999 * time.Millisecond},
		{"with time to spare", "8", 2, 9 * time.Second},
		{"at the end", "10", 1, 0},
	} {
		t.Run("the gate opens "+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: firstTimes("validateRequest", 1, 429, "", "Retry-After", test.after)}
				var retrying int
				client := newStubClient(t, s, func(c *Config) {
					c.Observer = func(_ context.Context, a Attempt) {
						if a.Retrying {
							retrying++
						}
					}
				})
				begin := time.Now()
				err := validateAtOnce(t, client, csr, 1)[0]
				if n := s.count("validateRequest"); n != test.calls || (err == nil) != (n == 2) || time.Since(begin) != test.elapsed {
					t.Errorf("%d calls, %s, %v", n, time.Since(begin), err)
				}
				if retrying != test.calls-1 {
					t.Errorf("the observer was told of %d further attempts, there were %d", retrying, test.calls-1)
				}
			})
		})
	}
}

func TestAWaitThatFailsKeepsWhatTheServiceSaid(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		s.answer = firstTimes("validateRequest", 2, 429, "", "Retry-After", "4")
		var receipt Receipt
		var err error
		var one sync.WaitGroup
		one.Go(func() { receipt, err = client.ValidateRequest(t.Context(), "tx", csr) })
		time.Sleep(3 * time.Second)
		client.gates.scep.shut(time.Minute) // as another caller's 429 would
		one.Wait()
		var se *ServiceError
		if !errors.As(err, &se) || !errors.Is(err, ErrThrottled) || !errors.Is(err, context.DeadlineExceeded) ||
			se.StatusCode != 429 || se.ActivityID == "" || se.ActivityID != receipt.ActivityID || se.RetryAfter != 4*time.Second {
			t.Errorf("got %v, %+v", err, receipt)
		}
	})
}

func TestNoNewTokenIsAnnouncedWhereTheGateIsShut(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		var attempts []Attempt
		client := newStubClient(t, s, func(c *Config) {
			c.Observer = func(_ context.Context, a Attempt) { attempts = append(attempts, a) }
		})
		s.answer = func(op string, _ int, _ *http.Request) (*http.Response, error) {
			if op != "validateRequest" {
				return nil, nil
			}
			client.gates.scep.shut(time.Minute)
			return answerWith(401, ""), nil
		}
		err := validateAtOnce(t, client, csr, 1)[0]
		last := attempts[len(attempts)-1]
		if !errors.Is(err, ErrUnauthorized) || last.StatusCode != 401 || last.Retrying || s.count("validateRequest") != 1 {
			t.Errorf("%+v, %v", last, err)
		}
	})
}
