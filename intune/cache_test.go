package intune

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// validateAtOnce lets n callers begin together and returns their errors.
func validateAtOnce(t *testing.T, client *Client, csr []byte, n int) []error {
	t.Helper()
	errs := make([]error, n)
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() { _, errs[i] = client.ValidateRequest(t.Context(), "tx", csr) })
	}
	callers.Wait()
	return errs
}

// slowly makes every answer take a while, so that callers meet.
func slowly(op string, _ int, r *http.Request) (*http.Response, error) {
	return nil, sleep(r.Context(), 100*time.Millisecond)
}

func TestFiveHundredFirstCallersShareTokensAndLookUp(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: slowly}
		client := newStubClient(t, s)
		for _, err := range validateAtOnce(t, client, csr, 500) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if s.count("token") != 2 || s.count("discovery") != 1 || s.count("validateRequest") != 500 {
			t.Errorf("%v", s.seen())
		}
	})
}

func TestFiveHundredCallersAtTheMomentOfExpiryShareOneToken(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: slowly}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		e := client.intuneToken.current
		time.Sleep(time.Until(e.expires)) // nobody called when it could have been renewed
		before := s.count("token")
		for _, err := range validateAtOnce(t, client, csr, 500) {
			if err != nil {
				t.Fatal(err)
			}
		}
		// The address has aged, too: its look-up takes a Graph token.
		if got := s.count("token") - before; got != 2 {
			t.Errorf("%d token requests, want one for Intune and one for Graph", got)
		}
		if s.count("discovery") != 2 {
			t.Errorf("%d look-ups, want 2", s.count("discovery"))
		}
	})
}

func TestFiveHundredCallersAfterTheExpiryOfTheIntuneTokenShareOne(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: slowly, life: 600}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		time.Sleep(11 * time.Minute) // the address is good for half an hour
		before := s.seen()
		for _, err := range validateAtOnce(t, client, csr, 500) {
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s.count("token")-before["token"] != 1 || s.count("discovery") != before["discovery"] || s.count("validateRequest") != 501 {
			t.Errorf("before %v, then %v", before, s.seen())
		}
	})
}

func TestATokenIsRenewedBeforeItExpiresAndHoldsUpNobody(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		renewing := false
		s := &stub{}
		s.answer = func(op string, _ int, r *http.Request) (*http.Response, error) {
			if renewing && op == "token" {
				return nil, sleep(r.Context(), 3*time.Second)
			}
			return nil, nil
		}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		time.Sleep(56 * time.Minute) // the token lives 59:59 minutes
		validateAtOnce(t, client, csr, 1)
		synctest.Wait()
		before := s.count("token")
		renewing = true
		old := client.intuneToken.current
		old.renew = time.Now()
		begin := time.Now()
		for _, err := range validateAtOnce(t, client, csr, 100) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("callers waited %s for the renewal", waited)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := s.count("token") - before; got != 1 {
			t.Errorf("%d token requests, want 1", got)
		}
		if client.intuneToken.current == old {
			t.Error("the token is the old one")
		}
	})
}

func TestARenewalThatFailsLeavesTheOldTokenInUse(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		time.Sleep(20 * time.Minute)
		client.intuneToken.current.renew = time.Now()
		s.answer = always("token", 503, "")
		before := s.count("token")
		for range 100 {
			if err := validateAtOnce(t, client, csr, 1)[0]; err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		// Three attempts in one renewal, and none for the next 30 seconds.
		if got := s.count("token") - before; got != 3 {
			t.Errorf("%d token requests, want 3", got)
		}
	})
}

func TestSteadyStateCostsNothingButThePost(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		tokens, lookups := s.count("token"), s.count("discovery")
		for range 1000 {
			validateAtOnce(t, client, csr, 1)
		}
		if s.count("validateRequest") != 1001 || s.count("token") != tokens || s.count("discovery") != lookups {
			t.Errorf("%v", s.seen())
		}
	})
}

func TestTheAddressIsLookedUpAgainAfterHalfAnHour(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{24 * time.Minute, 1}, {2 * time.Minute, 2}, {29 * time.Minute, 3}, {31 * time.Minute, 4}} {
			time.Sleep(step.wait)
			validateAtOnce(t, client, csr, 1)
			synctest.Wait()
			if got := s.count("discovery"); got != step.want {
				t.Errorf("%d look-ups, want %d", got, step.want)
			}
		}
	})
}

func TestWhileGraphCannotBeAskedTheLastAddressServes(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		var down atomic.Bool
		s.answer = func(op string, n int, _ *http.Request) (*http.Response, error) {
			if op == "validateRequest" && n == 2 {
				down.Store(true)
				return answerWith(503, ""), nil
			}
			if op == "discovery" && down.Load() {
				return answerWith(503, ""), nil
			}
			return nil, nil
		}
		if err := validateAtOnce(t, client, csr, 1)[0]; err != nil {
			t.Errorf("Intune answers, and yet: %v", err)
		}
		time.Sleep(time.Minute) // loads in the background end
		synctest.Wait()
		// A refusal by Graph is no passing fault.
		s.answer = always("discovery", 403, "")
		time.Sleep(time.Hour)
		if err := validateAtOnce(t, client, csr, 1)[0]; !errors.Is(err, ErrUnauthorized) {
			t.Errorf("after a refusal: %v", err)
		}
	})
}

func TestAServiceThatAppearsLaterIsFound(t *testing.T) {
	csr, _ := recordedCSR(t)
	s := &stub{answer: firstTimes("discovery", 1, 200, `{"value":[]}`)}
	client := newStubClient(t, s)
	if err := validateAtOnce(t, client, csr, 1)[0]; !errors.Is(err, ErrServiceNotFound) {
		t.Fatalf("got %v", err)
	}
	if err := validateAtOnce(t, client, csr, 1)[0]; err != nil {
		t.Errorf("the second call: %v", err)
	}
}

func TestACallerMayLeaveALoadThatOthersWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int32
		c := &cache[string]{timeout: time.Minute, load: func(ctx context.Context) (*entry[string], error) {
			loads.Add(1)
			if err := sleep(ctx, 10*time.Second); err != nil {
				return nil, err
			}
			return &entry[string]{value: "v", renew: time.Now().Add(time.Hour), expires: time.Now().Add(time.Hour)}, nil
		}}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var first, second error
		var both sync.WaitGroup
		both.Go(func() { _, first = c.get(impatient) })
		both.Go(func() { _, second = c.get(t.Context()) })
		both.Wait()
		if !errors.Is(first, context.DeadlineExceeded) || second != nil || loads.Load() != 1 {
			t.Errorf("first %v, second %v, %d loads", first, second, loads.Load())
		}
	})
}

func TestAValueThatWasReplacedIsNotReplacedAgain(t *testing.T) {
	old := &entry[string]{value: "old"}
	fresh := &entry[string]{value: "fresh", renew: time.Now().Add(time.Hour), expires: time.Now().Add(time.Hour)}
	c := &cache[string]{current: fresh}
	if got, err := c.after(t.Context(), old); got != fresh || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if c.drop(old); c.current != fresh {
		t.Error("the new value was dropped for the old one's fault")
	}
}

func TestOneRefusedTokenHoldsUpNobodyElse(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		s.answer = func(op string, n int, r *http.Request) (*http.Response, error) {
			switch {
			case op == "validateRequest" && n == 2:
				return answerWith(401, ""), nil
			case op == "token":
				return nil, sleep(r.Context(), 3*time.Second)
			}
			return nil, nil
		}
		var refused error
		var one sync.WaitGroup
		one.Go(func() { refused = validateAtOnce(t, client, csr, 1)[0] })
		synctest.Wait()
		begin := time.Now()
		for _, err := range validateAtOnce(t, client, csr, 10) {
			if err != nil {
				t.Error(err)
			}
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("the others waited %s", waited)
		}
		if one.Wait(); refused != nil {
			t.Error(refused)
		}
	})
}

func TestATokenIsNotRenewedMoreThanOnceAMinute(t *testing.T) {
	now := time.Now().Round(0)
	for _, test := range []struct {
		name              string
		life, asked, want time.Duration // of the token, until renewal
	}{
		{"nothing is asked", time.Hour, 0, 55 * time.Minute},
		{"half the life is asked", time.Hour, 30 * time.Minute, 30 * time.Minute},
		{"a second is asked", time.Hour, time.Second, time.Minute},
		{"the past is asked", time.Hour, -time.Hour, time.Minute},
		{"a second of a short life", time.Minute, time.Second, 30 * time.Second},
		{"more than the life is asked", time.Hour, 2 * time.Hour, 55 * time.Minute},
	} {
		given := token{value: "t", expires: now.Add(test.life)}
		if test.asked != 0 {
			given.renew = now.Add(test.asked)
		}
		if got := newTokenEntry(given, now).renew.Sub(now); got != test.want {
			t.Errorf("%s: renewed after %s, want %s", test.name, got, test.want)
		}
	}
}

func TestAPanicInALoadIsAnErrorOfItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		bad := true
		c := &cache[string]{
			timeout: time.Minute, log: slog.New(slog.NewTextHandler(&log, nil)),
			load: func(ctx context.Context) (*entry[string], error) {
				if err := sleep(ctx, time.Second); err != nil {
					return nil, err
				}
				if bad {
					panic("with a secret~value")
				}
				return &entry[string]{value: "v", renew: time.Now().Add(time.Hour), expires: time.Now().Add(time.Hour)}, nil
			},
		}
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				if e, err := c.get(t.Context()); e != nil || !errors.Is(err, errLoadPanicked) {
					t.Errorf("got %v, %v", e, err)
				}
			})
		}
		callers.Wait()
		if !strings.Contains(log.String(), "cache_test.go") || strings.Contains(log.String(), "secret~value") {
			t.Errorf("the log says %s", log.String())
		}
		bad = false
		if e, err := c.get(t.Context()); err != nil || e.value != "v" {
			t.Errorf("afterwards: %v", err)
		}
	})
}
