package provisioner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

func TestAValidationEndsWithTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.client.validate = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		begin := time.Now()
		_, err := b.ValidateChallenge(routed(t.Context()), challenge(pkcs10(t)))
		if err == nil || time.Since(begin) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		b.running().wantNothingLeft(t)
		b.running().wantOutcome(t, outcomeFailed, "ms=10000")
		b.client.wantNoFailure(t)
	})
}

func TestNothingIsSignedWhenTheTimeoutIsUsedUp(t *testing.T) {
	for name, test := range map[string]struct{ validation, template time.Duration }{
		"by the validation":            {10 * time.Second, 0},
		"by a validation that is late": {12 * time.Second, 0},
		"by the template":              {time.Second, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.client.validate = func(context.Context, string) error { time.Sleep(test.validation); return nil }
				csr, ctx := pkcs10(t), routed(t.Context())
				b.mustAllow(t, ctx, csr)
				time.Sleep(test.template)
				if _, err := b.sign(t, csr); !errors.Is(err, errTooLate) {
					t.Errorf("got %v", err)
				}
				b.failure(ctx, csr, "error creating certificate")
				if f := b.client.wantFailure(t); f.code != intune.HResultTimeout {
					t.Errorf("reported %+v", f)
				}
				b.running().wantNothingLeft(t)
				b.running().wantOutcome(t, outcomeFailed, errTooLate.Error())
				if _, succeeded := b.client.counts(); succeeded != 0 {
					t.Error("a success was reported")
				}
			})
		})
	}
}

func TestNothingIsSignedForADeviceThatHasHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		hung, hangUp := context.WithCancel(t.Context())
		csr, ctx := pkcs10(t), routed(hung)
		b.mustAllow(t, ctx, csr)
		hangUp()
		if _, err := b.sign(t, csr); !errors.Is(err, errHungUp) {
			t.Errorf("got %v", err)
		}
		b.failure(ctx, csr, "error creating certificate")
		if f := b.client.wantFailure(t); f.code != intune.HResultFail {
			t.Errorf("reported %+v", f)
		}
		b.running().wantNothingLeft(t)
		b.running().wantOutcome(t, outcomeFailed, errHungUp.Error())
	})
}

func TestAReportEndsWithTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.client.validate = func(context.Context, string) error { time.Sleep(3 * time.Second); return nil }
		b.client.success = func(ctx context.Context, _ intune.Issued) error { <-ctx.Done(); return ctx.Err() }
		csr, ctx := pkcs10(t), routed(t.Context())
		begin := time.Now()
		b.mustAllow(t, ctx, csr)
		cert, err := b.sign(t, csr)
		var unreported *unreportedError
		if cert != nil || !errors.As(err, &unreported) || time.Since(begin) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		b.failure(ctx, csr, "error creating certificate")
		b.running().wantNothingLeft(t)
		b.running().wantOutcome(t, outcomeUnreported)
		b.client.wantNoFailure(t)
	})
}

func TestAReportDoesNotEndWithTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		hung, hangUp := context.WithCancel(t.Context())
		b.client.success = func(ctx context.Context, _ intune.Issued) error { hangUp(); return ctx.Err() }
		csr, ctx := pkcs10(t), routed(hung)
		b.mustAllow(t, ctx, csr)
		cert, err := b.sign(t, csr)
		if err != nil {
			t.Fatal(err)
		}
		b.issued(ctx, csr, cert)
		b.running().wantOutcome(t, outcomeIssued)
	})
}

func TestAnEnrolmentThatHasEndedIsNotAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		csr, ctx := pkcs10(t), routed(t.Context())
		b.mustAllow(t, ctx, csr)
		cert, err := b.sign(t, csr)
		if err != nil {
			t.Fatal(err)
		}
		b.issued(ctx, csr, cert)
		time.Sleep(time.Hour)
		b.client.wantNoFailure(t)
		b.running().wantOutcome(t, outcomeIssued)
	})
}
