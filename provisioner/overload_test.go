package provisioner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestGarbageLeavesPlacesForNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(4)
		for range 3 {
			if _, err := l.validation(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := l.validation(ctx); !errors.Is(err, errBusy) {
			t.Errorf("the fourth validation: %v", err)
		}
		if waited := time.Since(begin); waited != 10*time.Second {
			t.Errorf("it waited for %s", waited)
		}
		release, err := l.notification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
	})
}

func TestAPlaceIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		release, err := l.validation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error)
		go func() {
			_, err := l.validation(t.Context())
			got <- err
		}()
		synctest.Wait()
		release()
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

func TestWhoFindsTheQueueFullIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		release, err := l.enrolment(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, waitingPerPlace)
		for range waitingPerPlace {
			go func() {
				release, err := l.enrolment(t.Context())
				if err == nil {
					release()
				}
				served <- err
			}()
		}
		synctest.Wait()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.enrolment(ctx); !errors.Is(err, errBusy) {
			t.Errorf("one too many: %v", err)
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("it waited for %s", waited)
		}
		release()
		for range waitingPerPlace {
			if err := <-served; err != nil {
				t.Errorf("one in the queue: %v", err)
			}
		}
		if release, err = l.enrolment(t.Context()); err != nil {
			t.Fatalf("afterwards: %v", err)
		}
		release()
	})
}

func TestIntuneIsNotAskedWhenHalfOfTheBudgetWentIntoWaiting(t *testing.T) {
	b := newBench(t)
	b.stopDelivery()
	synctest.Test(t, func(t *testing.T) {
		b.limiter = newLimiter(1)
		release, err := b.limiter.validation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := b.ValidateChallenge(routed(t.Context()), challenge(pkcs10(t))); !errors.Is(err, errBusy) {
			t.Errorf("while all places are taken: %v", err)
		}
		if waited := time.Since(begin); waited != b.timeout/2 {
			t.Errorf("it waited for %s", waited)
		}
		if b.client.asked > 0 {
			t.Error("Intune was asked nevertheless")
		}
		release()
		b.mustEnrol(t)
	})
}

// A copy that has waited for an earlier one has little time left, and mostly needs no more
// than that.
func TestAFreePlaceIsTakenEvenWhenTheTimeForWaitingIsUp(t *testing.T) {
	l := newLimiter(4)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		leave, err := l.enrolment(done)
		if err != nil {
			t.Fatal(err)
		}
		release, err := l.validation(done)
		if err != nil {
			t.Fatal(err)
		}
		release()
		leave()
	}
	if taken, _ := l.load(); taken != 0 {
		t.Errorf("%d places are not given back", taken)
	}
}

// mustEnrol has a request approved and ends it, with nothing left under way.
func (b *bench) mustEnrol(t *testing.T) {
	t.Helper()
	ctx, csr := routed(t.Context()), pkcs10(t)
	if _, err := b.ValidateChallenge(ctx, challenge(csr)); err != nil {
		t.Error(err)
	}
	b.failure(ctx, csr, "the test ends it")
}

func TestAnApprovedEnrolmentKeepsItsPlaceUntilItsEnd(t *testing.T) {
	b := newBench(t)
	b.stopDelivery()
	synctest.Test(t, func(t *testing.T) {
		b.limiter = newLimiter(1)
		ctx, csr := routed(t.Context()), pkcs10(t)
		if _, err := b.ValidateChallenge(ctx, challenge(csr)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ValidateChallenge(routed(t.Context()), challenge(pkcs10(t))); !errors.Is(err, errBusy) {
			t.Errorf("a second one: %v", err)
		}
		cert, err := b.sign(t, csr)
		if err != nil {
			t.Fatal(err)
		}
		b.issued(ctx, csr, cert)
		b.mustEnrol(t)
		// One that step-ca does not end gives its place back, too.
		if _, err := b.ValidateChallenge(routed(t.Context()), challenge(pkcs10(t))); err != nil {
			t.Error(err)
		}
		time.Sleep(b.timeout + grace + time.Second)
		synctest.Wait()
		b.mustEnrol(t)
	})
}

func TestARefusalIsRememberedForThirtySeconds(t *testing.T) {
	now := time.Unix(0, 0)
	r := newRefusals(func() time.Time { return now })
	k, reason := keyOf("intune", []byte("csr")), errors.New("ChallengeExpired")
	if err := r.recall(k); err != nil {
		t.Errorf("before any refusal: %v", err)
	}
	r.remember(k, reason)
	now = now.Add(refusedFor)
	if err := r.recall(k); !errors.Is(err, reason) {
		t.Errorf("after 30 s: %v", err)
	}
	if err := r.recall(keyOf("other", []byte("csr"))); err != nil {
		t.Errorf("at another provisioner: %v", err)
	}
	now = now.Add(time.Nanosecond)
	if err := r.recall(k); err != nil {
		t.Errorf("later: %v", err)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	r := newRefusals(func() time.Time { return now })
	for i := range maxRefusals + 10 {
		r.remember(keyOf("intune", []byte{byte(i), byte(i >> 8), byte(i >> 16)}), errors.New("no"))
	}
	if n := len(r.byKey); n > maxRefusals {
		t.Errorf("%d are remembered", n)
	}
}
