package provisioner

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

const (
	// storeTimeout bounds what is written to the database at the end of an enrolment.
	storeTimeout = 5 * time.Second
	// maxEndings bounds the ends that wait in memory for the database, with some
	// kilobytes each.
	maxEndings = 10_000
	// longestEndingPause is how seldom one of them tries.
	longestEndingPause = 15 * time.Second
)

// ending is what an enrolment without a certificate leaves to be done.
type ending struct {
	entry   *entry
	key     key
	request report.Request
	claim   *report.Claim     // nil when the enrolment came to none
	revoke  *x509.Certificate // nil when none has left the plugin
	failure *report.Failure   // nil when Intune is not to be told
}

// takeBack undoes what an enrolment has done and leaves its failure notification in the
// outbox. While the database is away, it tries in the background.
func (p *entry) takeBack(e *enrolment, res result, o outcome) {
	end := &ending{entry: p, key: e.key, request: e.record(), claim: res.claim}
	if res.delivered() {
		end.revoke = res.signed
	}
	if o == outcomeFailed {
		code, description := explainFailure(res)
		end.failure = &report.Failure{HResult: code, Description: clip(e.redact(description))}
	}
	if err := end.write(context.WithoutCancel(e.ctx)); err != nil {
		end.writeLater(err)
	}
}

// write does it all, as often as it is called.
func (end *ending) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if end.claim == nil {
		return end.report(ctx)
	}
	if cert := end.revoke; cert != nil {
		end.entry.instance.issued.forget(end.key)
		// While this fails the journal record stays, and a sweep tries, too.
		if err := end.entry.instance.revoke(cert); err != nil {
			return fmt.Errorf("revoking an undelivered certificate: %w", err)
		}
		end.entry.log.Warn("undelivered certificate revoked", "transaction", clip(end.request.TransactionID), "serial", serialOf(cert), "thumbprint", thumbprintOf(cert))
		end.revoke = nil
	}
	err := end.claim.Abort(ctx, end.failure)
	if errors.Is(err, report.ErrLost) {
		return end.report(ctx)
	}
	return err
}

// report leaves the failure notification of an enrolment that has no claim, or has lost it.
// A copy of the request that got a certificate has the last word: Intune would take the
// failure for that one's. While one is under way, which may be no more than what an attempt
// of this enrolment has left in the database, the end waits for it.
func (end *ending) report(ctx context.Context) error {
	if end.failure == nil {
		return nil
	}
	claim, issued, err := end.entry.instance.state.store.Begin(ctx, end.request, time.Now().Add(grace))
	switch {
	case issued != nil:
		end.entry.log.Info("failure not reported: another copy of the request has the last word", "transaction", clip(end.request.TransactionID))
		return nil
	case err != nil:
		return err
	}
	end.claim = claim
	return claim.Abort(ctx, end.failure)
}

// writeLater tries until the database has taken the end, or the CA stops. What is lost then
// is the failure notification of a request that got no certificate: one that did has a
// journal record, which a sweep finds.
func (end *ending) writeLater(cause error) {
	s, log := end.entry.instance.state, end.entry.log.With("transaction", clip(end.request.TransactionID))
	lost := func(why string, err error) {
		log.Error("the end of an enrolment is not in the database, and its failure notification may be lost", "why", why, "err", err)
	}
	if errors.Is(cause, report.ErrTooLarge) {
		lost("it never fits", cause)
		return
	}
	select {
	case s.endings <- struct{}{}:
	default:
		lost("too many wait already", cause)
		return
	}
	if !s.work.begin() {
		<-s.endings
		lost("the CA stops", cause)
		return
	}
	log.Warn("the end of an enrolment is not in the database yet: trying again until it is", "err", cause)
	go func() {
		defer func() { <-s.endings; s.work.end() }()
		for pause := time.Second; ; pause = min(2*pause, longestEndingPause) {
			stopping := s.work.wait(pause/2 + rand.N(pause/2))
			err := end.write(context.Background())
			if err == nil {
				log.Info("the database has taken the end of an enrolment")
				return
			}
			if stopping {
				lost("the CA stops", err)
				return
			}
		}
	}()
}
