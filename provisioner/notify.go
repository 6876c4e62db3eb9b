package provisioner

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/go-chi/chi/v5"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

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
	defer p.end(e)
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
	defer p.end(e)
	if res.err == nil {
		res.err = cause
	}
	o := outcomeFailed
	var unreported *unreportedError
	if errors.As(res.err, &unreported) {
		o = outcomeUnreported
	}
	if !res.repeated && !errors.Is(res.err, errDuplicate) { // else an earlier copy has been reported, or will be
		p.takeBack(e, res, o)
	}
	p.logOutcome(e, o, res, res.err)
}

// end lets go of everything that an approved enrolment holds.
func (p *entry) end(e *enrolment) {
	e.abandonment.Stop()
	p.close(e)
	p.instance.state.work.end()
}

// close lets go of the enrolment's place and then of its key, which wakes copies that need a
// place.
func (p *entry) close(e *enrolment) {
	if e.leave != nil {
		e.leave()
	}
	p.instance.enrolments.close(e)
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
