package provisioner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/certificates/cas/apiv1"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

// mustAllow asks for an approval that is given.
func (b *bench) mustAllow(t testing.TB, ctx context.Context, csr []byte) {
	t.Helper()
	if _, err := b.ValidateChallenge(ctx, challenge(csr)); err != nil {
		t.Fatal(err)
	}
}

func TestAnApprovalServesOnce(t *testing.T) {
	b := newBench(t)
	csr, ctx := pkcs10(t), routed(t.Context())
	if _, err := b.sign(t, csr); !errors.Is(err, errNotApproved) {
		t.Errorf("before the approval: %v", err)
	}
	b.mustAllow(t, ctx, csr)
	cert, err := b.sign(t, csr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.sign(t, csr); !errors.Is(err, errNotApproved) {
		t.Errorf("the second time: %v", err)
	}
	b.issued(ctx, csr, cert)
	if _, err := b.sign(t, csr); !errors.Is(err, errNotApproved) {
		t.Errorf("when it has ended: %v", err)
	}
	b.running().wantNothingLeft(t)
	b.client.wantNoFailure(t)
}

func TestNothingIsSignedWhileIntuneIsAsked(t *testing.T) {
	b := newBench(t)
	csr, ctx := pkcs10(t), routed(t.Context())
	b.client.validate = func(context.Context, string) error {
		if _, err := b.sign(t, csr); !errors.Is(err, errNotApproved) {
			t.Errorf("got %v", err)
		}
		return nil
	}
	b.mustAllow(t, ctx, csr)
	b.failure(ctx, csr, "x")
	b.running().wantNothingLeft(t)
}

func TestACopyOfARequestWaitsForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		csr, first, second := pkcs10(t), routed(t.Context()), routed(t.Context())
		b.mustAllow(t, first, csr)
		begin := time.Now()
		done := make(chan error)
		go func() { _, err := b.ValidateChallenge(second, challenge(csr)); done <- err }()
		time.Sleep(4 * time.Second)
		if asked, _ := b.client.counts(); asked != 1 {
			t.Errorf("Intune is asked %d times", asked)
		}
		cert, err := b.sign(t, csr)
		if err != nil {
			t.Fatal(err)
		}
		b.issued(first, csr, cert)
		if err := <-done; err != nil || time.Since(begin) != 4*time.Second {
			t.Errorf("the copy, after %s: %v", time.Since(begin), err)
		}
		b.failure(second, csr, "x")
		b.running().wantNothingLeft(t)
	})
}

func TestACopyOfARequestDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		csr, first := pkcs10(t), routed(t.Context())
		b.mustAllow(t, first, csr)
		begin := time.Now()
		if _, err := b.ValidateChallenge(routed(t.Context()), challenge(csr)); !errors.Is(err, errDuplicate) || time.Since(begin) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		b.failure(first, csr, "x")
		b.running().wantNothingLeft(t)
	})
}

func TestOfManyCopiesSomeWaitAndTheRestIsRefusedAtOnce(t *testing.T) {
	for _, test := range []struct {
		name    string
		places  int
		waiting int
		refused error
	}{
		{"when the queue is full", 1, waitingPerPlace, errBusy},
		{"when there are too many of one request", 100, maxCopies, errDuplicate},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.limiter = newLimiter(test.places)
				b.client.failed = make(chan failed, 2*maxCopies)
				csr, first := pkcs10(t), routed(t.Context())
				b.mustAllow(t, first, csr)
				try := func(ctx context.Context) error {
					_, err := b.ValidateChallenge(ctx, challenge(csr))
					return err
				}
				ended := make(chan error, test.waiting)
				for range test.waiting {
					go func() {
						ctx := routed(t.Context())
						err := try(ctx)
						if err == nil {
							b.failure(ctx, csr, "x")
						}
						ended <- err
					}()
				}
				synctest.Wait()
				begin := time.Now()
				if err := try(routed(t.Context())); !errors.Is(err, test.refused) || time.Since(begin) != 0 {
					t.Errorf("one too many, after %s: %v", time.Since(begin), err)
				}
				b.failure(first, csr, "x")
				for range test.waiting {
					if err := <-ended; err != nil {
						t.Errorf("one that waited: %v", err)
					}
				}
				// Who has given up makes room.
				b.mustAllow(t, first, csr)
				for range test.waiting + 1 {
					ctx, cancel := context.WithTimeout(routed(t.Context()), time.Second/2)
					begin := time.Now()
					if err := try(ctx); !errors.Is(err, errDuplicate) || time.Since(begin) != time.Second/2 {
						t.Errorf("after %s: %v", time.Since(begin), err)
					}
					cancel()
				}
				b.failure(first, csr, "x")
				b.running().wantNothingLeft(t)
			})
		})
	}
}

func TestEnrolmentsAreBounded(t *testing.T) {
	b := newBench(t)
	b.instance.enrolments = newEnrolments(2)
	var open []context.Context
	csrs := [][]byte{pkcs10(t), pkcs10(t), pkcs10(t)}
	for _, csr := range csrs[:2] {
		open = append(open, routed(t.Context()))
		b.mustAllow(t, open[len(open)-1], csr)
	}
	if _, err := b.ValidateChallenge(routed(t.Context()), challenge(csrs[2])); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	if asked, _ := b.client.counts(); asked != 2 {
		t.Errorf("Intune was asked %d times", asked)
	}
	b.failure(open[0], csrs[0], "x")
	last := routed(t.Context())
	b.mustAllow(t, last, csrs[2])
	b.failure(open[1], csrs[1], "x")
	b.failure(last, csrs[2], "x")
	b.running().wantNothingLeft(t)
}

func TestARouteContextThatIsUsedAgainEndsTheFirstEnrolment(t *testing.T) {
	b := newBench(t)
	ctx := routed(t.Context())
	first, second := pkcs10(t), pkcs10(t)
	b.mustAllow(t, ctx, first)
	b.mustAllow(t, ctx, second)
	if f := b.client.wantFailure(t); f.code != intune.HResultUnexpected {
		t.Errorf("reported %+v", f)
	}
	if _, err := b.sign(t, first); !errors.Is(err, errNotApproved) {
		t.Errorf("the first is signed: %v", err)
	}
	cert, err := b.sign(t, second)
	if err != nil {
		t.Fatal(err)
	}
	b.issued(ctx, second, cert)
	b.running().wantNothingLeft(t)
}

func TestANotificationOfAnotherRequestEndsNothing(t *testing.T) {
	b := newBench(t)
	csr, ctx := pkcs10(t), routed(t.Context())
	b.mustAllow(t, ctx, csr)
	b.failure(routed(t.Context()), csr, "another route context")
	b.failure(t.Context(), csr, "no route context")
	b.failure(ctx, pkcs10(t), "another certificate request")
	other := *b.entry
	_ = other.Notify(ctx, webhook.Notification{CSR: csr, Failure: "another provisioner"})
	if n := len(b.out.lines("belongs to no enrolment")); n != 4 {
		t.Errorf("%d of 4 are logged", n)
	}
	if _, err := b.sign(t, csr); err != nil {
		t.Errorf("the enrolment has ended: %v", err)
	}
	b.failure(ctx, csr, "x")
	b.failure(ctx, csr, "for the second time")
	if n := len(b.out.lines("belongs to no enrolment")); n != 5 {
		t.Errorf("%d of 5 are logged", n)
	}
}

func TestIntuneIsNotAskedAboutWhatCanNeverBeIssued(t *testing.T) {
	good := pkcs10(t)
	broken := device1("x")
	broken.BreakSignature = true
	spoilt, err := broken.Build()
	if err != nil {
		t.Fatal(err)
	}
	elliptic := device1("x")
	elliptic.Key = ecKey()
	curve, err := elliptic.Build()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		transaction string
		csr         []byte
		outcome     outcome
		text        string
	}{
		"no transaction id":         {"", good, outcomeRefused, "transaction id"},
		"a long transaction id":     {strings.Repeat("x", maxTransactionID+1), good, outcomeRefused, "transaction id"},
		"not a certificate request": {"tx", []byte("hello"), outcomeRefused, "refused by the profile"},
		"a broken signature":        {"tx", spoilt.DER, outcomeRefused, "signature"},
		"an elliptic key":           {"tx", curve.DER, outcomeRefused, "RSA"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c := challenge(test.csr)
			c.TransactionID = test.transaction
			if _, err := b.ValidateChallenge(routed(t.Context()), c); err == nil {
				t.Error("approved")
			}
			if asked, _ := b.client.counts(); asked != 0 {
				t.Error("Intune was asked")
			}
			b.running().wantNothingLeft(t)
			b.running().wantOutcome(t, test.outcome, test.text)
		})
	}
	b := newBench(t)
	if _, err := b.ValidateChallenge(t.Context(), challenge(good)); !errors.Is(err, errNoRoute) {
		t.Errorf("without a SCEP request: %v", err)
	}
}

func TestARefusedRequestIsNotAskedAboutAgainAtOnce(t *testing.T) {
	b := newBench(t)
	b.client.validate = func(context.Context, string) error { return refusedWith(intune.CodeChallengeExpired) }
	csr := pkcs10(t)
	for range 3 {
		if _, err := b.ValidateChallenge(routed(t.Context()), challenge(csr)); !errors.Is(err, intune.ErrRefused) {
			t.Errorf("got %v", err)
		}
	}
	if asked, _ := b.client.counts(); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	b.running().wantNothingLeft(t)
}

func TestAStoppingCARefuses(t *testing.T) {
	b := newBench(t)
	csr, ctx := pkcs10(t), routed(t.Context())
	b.mustAllow(t, ctx, csr)
	idle := b.instance.state.work.stop()
	if _, err := b.ValidateChallenge(routed(t.Context()), challenge(pkcs10(t))); !errors.Is(err, errStopping) {
		t.Errorf("got %v", err)
	}
	select {
	case <-idle:
		t.Error("idle while an enrolment is under way")
	default:
	}
	cert, err := b.sign(t, csr)
	if err != nil {
		t.Errorf("what is under way is not ended: %v", err)
	}
	b.issued(ctx, csr, cert)
	<-idle
}

func TestAFailureNotificationIsIndependentOfTheDevice(t *testing.T) {
	b := newBench(t)
	hung, hangUp := context.WithCancel(t.Context())
	csr, ctx := pkcs10(t), routed(hung)
	b.mustAllow(t, ctx, csr)
	hangUp()
	b.failure(ctx, csr, "x")
	b.client.wantFailure(t)
	b.running().wantNothingLeft(t)
}

func TestAFailureNotificationThatIsNotDeliveredIsLoggedAtTheEnd(t *testing.T) {
	b := newBench(t)
	b.client.failure = func(context.Context) error { return intune.ErrUnavailable }
	csr, ctx := pkcs10(t), routed(t.Context())
	b.mustAllow(t, ctx, csr)
	b.failure(ctx, csr, "x")
	b.running().wantNothingLeft(t)
	if n := len(b.out.lines("report lost")); n != 1 {
		t.Errorf("logged %d times in %s", n, b.out)
	}
}

func TestTheChallengeIsKeptOutOfWhatStepCASays(t *testing.T) {
	b := newBench(t)
	csr, ctx := pkcs10(t), routed(t.Context())
	b.mustAllow(t, ctx, csr)
	b.failure(ctx, csr, "cannot take a challenge of some length for an answer")
	if f := b.client.wantFailure(t); !strings.Contains(f.description, "cannot take *** for an answer") {
		t.Errorf("reported %+v", f)
	}
	b.running().wantNothingLeft(t)
	if strings.Contains(b.out.String(), "a challenge of some length") {
		t.Errorf("logged %s", b.out)
	}
}

func TestWhatIsSignedInSpiteOfTheTemplateIsWithheld(t *testing.T) {
	b := newBench(t)
	csr, ctx := pkcs10(t), routed(t.Context())
	b.mustAllow(t, ctx, csr)
	b.inner = forger{b.inner}
	if _, err := b.sign(t, csr); err == nil || !strings.Contains(err.Error(), "checking the signed certificate") {
		t.Errorf("got %v", err)
	}
	if _, succeeded := b.client.counts(); succeeded != 0 {
		t.Error("reported as issued")
	}
	b.failure(ctx, csr, "x")
	b.client.wantFailure(t)
}

// forger signs for longer than it was told.
type forger struct {
	apiv1.CertificateAuthorityService
}

func (f forger) CreateCertificate(r *apiv1.CreateCertificateRequest) (*apiv1.CreateCertificateResponse, error) {
	other, template := *r, *r.Template
	template.NotAfter = template.NotAfter.Add(time.Hour)
	other.Template = &template
	return f.CertificateAuthorityService.CreateCertificate(&other)
}
