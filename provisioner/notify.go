package provisioner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

// storeTimeout bounds what is written to the database at the end of an enrolment.
const storeTimeout = 5 * time.Second

var errNotAccepted = errors.New("step-ca issued a certificate that has not passed the plugin")

// Notify implements [webhook.Receiver]: it ends an enrolment. An error cuts the answer to
// the device off.
func (p *entry) Notify(ctx context.Context, n webhook.Notification) error {
	e := p.instance.enrolments.findRoute(chi.RouteContext(ctx))
	if e == nil || e.entry != p || !bytes.Equal(e.csr, n.CSR) {
		p.log.Error("a notification of step-ca belongs to no enrolment", "transaction", clip(n.TransactionID))
		if n.Certificate != nil {
			return errNotAccepted
		}
		return nil
	}
	if n.Certificate == nil {
		p.fail(e, errors.New(e.redact(n.Failure)))
		return nil
	}
	return p.succeed(e, n.Certificate)
}

// succeed ends an enrolment whose certificate step-ca has stored and is about to send.
func (p *entry) succeed(e *enrolment, certificate []byte) error {
	res, first := e.finish()
	if !first {
		return errAbandoned
	}
	defer p.close(e)
	err := p.complete(e, res, certificate)
	if err != nil {
		// The journal record stays, and what it stands for is taken back.
		p.instance.issued.forget(e.key)
		p.logOutcome(e, outcomeFailed, res, err)
		return err
	}
	p.logOutcome(e, outcomeIssued, res, nil)
	return nil
}

func (p *entry) complete(e *enrolment, res result, certificate []byte) error {
	switch {
	case res.signed == nil || !bytes.Equal(res.signed.Raw, certificate):
		return errNotAccepted
	case res.repeated:
		return nil
	case res.claim == nil:
		return errNotAccepted
	}
	ctx, cancel := e.afterwards()
	defer cancel()
	if err := res.claim.Complete(ctx); err != nil {
		return fmt.Errorf("noting that the certificate is on its way: %w", err)
	}
	return nil
}

// abandon ends an enrolment whose NOTIFYING hook did not come.
func (p *entry) abandon(e *enrolment) { p.fail(e, errAbandoned) }

// fail ends an enrolment without a certificate. Rule 3 of Microsoft's page: the failure
// notification is for errors of the CA, not for what Intune itself answered.
func (p *entry) fail(e *enrolment, cause error) {
	res, first := e.finish()
	if !first {
		return
	}
	defer p.close(e)
	if res.err == nil {
		res.err = cause
	}
	o := outcomeFailed
	var unreported *unreportedError
	if errors.As(res.err, &unreported) {
		o = outcomeUnreported
	}
	p.logOutcome(e, o, res, res.err)
	if res.repeated || errors.Is(res.err, errDuplicate) {
		return // an earlier copy of the request has been reported, or will be
	}
	ctx, cancel := e.afterwards()
	defer cancel()
	if err := p.undo(ctx, e, res, o); err != nil {
		p.log.Error("ending an enrolment in the database failed", "transaction", clip(e.transactionID), "err", err)
	}
}

// undo takes back what there is and leaves the failure notification in the outbox.
func (p *entry) undo(ctx context.Context, e *enrolment, res result, o outcome) error {
	var failure *report.Failure
	if o == outcomeFailed {
		code, description := explainFailure(res)
		failure = &report.Failure{HResult: code, Description: e.redact(description)}
	}
	if res.claim == nil {
		return p.reportFailure(ctx, e, *failure)
	}
	if res.delivered() {
		p.instance.issued.forget(e.key)
		// When this fails the journal record stays, and a sweep tries again.
		if err := p.instance.revoke(res.signed); err != nil {
			return fmt.Errorf("revoking an undelivered certificate: %w", err)
		}
		p.log.Warn("undelivered certificate revoked", "transaction", clip(e.transactionID), "serial", serialOf(res.signed))
	}
	return res.claim.Abort(ctx, failure)
}

// reportFailure leaves the failure notification of an enrolment that came to no claim. An
// earlier copy of the request that got a certificate, or is about to, has the last word:
// Intune would take the failure for that one's.
func (p *entry) reportFailure(ctx context.Context, e *enrolment, failure report.Failure) error {
	claim, issued, err := p.instance.state.store.Begin(ctx, e.record(), time.Now().Add(grace))
	switch {
	case issued != nil, errors.Is(err, report.ErrWaiting):
		return nil
	case err != nil:
		return err
	}
	return claim.Abort(ctx, &failure)
}

// close lets go of everything that an enrolment holds.
func (p *entry) close(e *enrolment) {
	e.abandonment.Stop()
	p.instance.enrolments.close(e)
	p.instance.state.work.end()
}

// afterwards is the time for what has to be written when an enrolment has ended. It
// depends neither on the device nor on the enrolment's budget.
func (e *enrolment) afterwards() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(e.ctx), storeTimeout)
}

// record is the enrolment as the database knows it.
func (e *enrolment) record() report.Request {
	return report.Request{Provisioner: e.entry.name, TransactionID: e.transactionID, CAID: e.entry.caID, CSR: e.csr}
}
