package provisioner

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/step-ca-intune/step-ca-intune/webhook"
)

// reportTimeout bounds a failure notification, which nobody waits for.
const reportTimeout = 10 * time.Second

// Notify implements [webhook.Receiver]: it ends an enrolment.
func (p *entry) Notify(ctx context.Context, n webhook.Notification) {
	e := p.instance.enrolments.findRoute(chi.RouteContext(ctx))
	if e == nil || e.entry != p || !bytes.Equal(e.csr, n.CSR) {
		p.log.Error("a notification of step-ca belongs to no enrolment", "transaction", clip(n.TransactionID))
		return
	}
	if n.Certificate == nil {
		p.fail(e, errors.New(e.redact(n.Failure)))
		return
	}
	res, first := e.finish()
	if !first {
		return
	}
	p.close(e)
	if !res.accepted || !bytes.Equal(res.signed.Raw, n.Certificate) {
		// Cannot happen unless step-ca signs past the decorated service.
		p.log.Error("step-ca issued a certificate that Intune has not accepted", "transaction", clip(n.TransactionID))
	}
	p.logOutcome(e, outcomeIssued, res, nil)
	p.instance.work.end()
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
	if res.err == nil {
		res.err = cause
	}
	p.close(e)
	var unreported *unreportedError
	if errors.As(res.err, &unreported) {
		p.logOutcome(e, outcomeUnreported, res, res.err)
		p.instance.work.end()
		return
	}
	p.logOutcome(e, outcomeFailed, res, res.err)
	if res.repeated {
		// The certificate was reported and handed out to an earlier copy of the request.
		p.instance.work.end()
		return
	}
	if res.accepted {
		p.instance.issued.forget(e.key)
	}
	go func() {
		defer p.instance.work.end()
		p.reportFailure(e, res)
		if res.accepted {
			p.revoke(e, res)
		}
	}()
}

func (p *entry) close(e *enrolment) {
	e.abandonment.Stop()
	p.instance.enrolments.close(e)
}

// reportFailure sends the failure notification. It depends neither on the device nor on
// the enrolment's budget.
func (p *entry) reportFailure(e *enrolment, res result) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), reportTimeout)
	defer cancel()
	code, description := explainFailure(res)
	receipt, err := p.client.SendFailureNotification(ctx, e.transactionID, e.csr, code, e.redact(description))
	args := []any{"transaction", clip(e.transactionID), "activity", receipt.ActivityID, "hresult", code}
	if err != nil {
		p.log.Error("failure notification lost", append(args, "err", err)...)
		return
	}
	p.log.Info("failure notification accepted", args...)
}

// revoke takes back a certificate that Intune has accepted and the device will not get.
func (p *entry) revoke(e *enrolment, res result) {
	args := []any{"transaction", clip(e.transactionID), "serial", serialOf(res.signed)}
	if err := p.instance.revoke(res.signed); err != nil {
		p.log.Error("revoking an undelivered certificate failed", append(args, "err", err)...)
		return
	}
	p.log.Info("undelivered certificate revoked", args...)
}
