package provisioner

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/certificates/cas/apiv1"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

// slow signs after a while.
type slow struct {
	apiv1.CertificateAuthorityService
	before func()
}

func (s slow) CreateCertificate(r *apiv1.CreateCertificateRequest) (*apiv1.CreateCertificateResponse, error) {
	s.before()
	return s.CertificateAuthorityService.CreateCertificate(r)
}

func TestACertificateThatWasNeverReportedIsReportedAsAFailure(t *testing.T) {
	for _, name := range []string{"signing used up the timeout", "the device hung up while it was signed"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				hung, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				b.inner = slow{b.inner, func() {
					if name == "signing used up the timeout" {
						time.Sleep(11 * time.Second)
					} else {
						hangUp()
					}
				}}
				csr, ctx := pkcs10(t), routed(hung)
				b.mustAllow(t, ctx, csr)
				if _, err := b.sign(t, csr); err == nil {
					t.Fatal("issued")
				}
				b.failure(ctx, csr, "error creating certificate")
				if _, succeeded := b.client.counts(); succeeded != 0 {
					t.Error("a success was reported")
				}
				b.client.wantFailure(t)
				b.running().wantNothingLeft(t)
			})
		})
	}
}

// gatedHandler blocks the outcome line.
type gatedHandler struct {
	slog.Handler
	gate func(slog.Record)
}

func (g gatedHandler) Handle(ctx context.Context, r slog.Record) error {
	g.gate(r)
	return g.Handler.Handle(ctx, r)
}
func (g gatedHandler) WithAttrs(a []slog.Attr) slog.Handler { return g }

func TestACopyNeverGetsACertificateThatIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		csr, first, second := pkcs10(t), routed(t.Context()), routed(t.Context())
		b.mustAllow(t, first, csr)
		taken, err := b.sign(t, csr)
		if err != nil {
			t.Fatal(err)
		}
		// A copy waits while step-ca fails to store the certificate; the log is slow.
		copied := make(chan error, 1)
		go func() { _, err := b.ValidateChallenge(second, challenge(csr)); copied <- err }()
		synctest.Wait()
		b.entry.log = slog.New(gatedHandler{slog.NewTextHandler(io.Discard, nil), func(r slog.Record) { time.Sleep(time.Second) }})
		go b.failure(first, csr, "disk full")
		if err := <-copied; err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // so that another certificate has another serial
		cert, err := b.sign(t, csr)
		if err != nil || cert.Equal(taken) {
			t.Errorf("the copy gets the certificate that is taken back, %v", err)
		}
		b.failure(second, csr, "x")
		time.Sleep(time.Minute)
	})
}

func TestAnEnrolmentThatStepCADoesNotEndIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		begin := time.Now()
		csr := pkcs10(t)
		b.mustAllow(t, routed(t.Context()), csr)
		f := <-b.client.failed
		// The outbox may take a moment to send it.
		if late := time.Since(begin) - 10*time.Second - grace; f.code != intune.HResultUnexpected || late < 0 || late > time.Second {
			t.Errorf("after %s: %+v", time.Since(begin), f)
		}
		b.running().wantNothingLeft(t)
		b.running().wantOutcome(t, outcomeFailed, errAbandoned.Error())
		if _, err := b.sign(t, csr); !errors.Is(err, errNotApproved) {
			t.Errorf("signed afterwards: %v", err)
		}
	})
}

func TestOnlyTheReportedCertificateLeaves(t *testing.T) {
	b := newBench(t)
	csr, ctx := pkcs10(t), routed(t.Context())
	b.mustAllow(t, ctx, csr)
	if _, err := b.sign(t, csr); err != nil {
		t.Fatal(err)
	}
	another := testIssuer().certificate
	if err := b.Notify(ctx, webhook.Notification{TransactionID: "tx-1", CSR: csr, Certificate: another.Raw}); !errors.Is(err, errNotAccepted) {
		t.Errorf("got %v", err)
	}
	b.running().wantOutcome(t, outcomeFailed)
}

func TestACertificateWithoutAnEnrolmentDoesNotLeave(t *testing.T) {
	b := newBench(t)
	err := b.Notify(routed(t.Context()), webhook.Notification{TransactionID: "tx-1", CSR: pkcs10(t), Certificate: testIssuer().certificate.Raw})
	if !errors.Is(err, errNotAccepted) {
		t.Errorf("got %v", err)
	}
}

func TestAStartFailsWhenStepCAServesAnotherProvisionerOfOurName(t *testing.T) {
	r, err := constructPlugin(t, newPlugin(), writeCA(t, nil, intuneEntry(t, "intune")), newFakeClient())
	if err != nil {
		t.Fatal(err)
	}
	own := *r.instance.entries["intune"].scep
	r.instance.entries["intune"].scep = &own
	if _, err := r.authority.GetTLSCertificate(); err == nil || !strings.Contains(err.Error(), "serves another provisioner of this name") {
		t.Errorf("got %v", err)
	}
}
