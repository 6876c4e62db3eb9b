package provisioner

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/smallstep/certificates/cas/apiv1"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

var (
	errNotApproved = errors.New("there is no approval of Intune for this certificate request")
	errHungUp      = errors.New("the device has hung up")
	errTooLate     = errors.New("the enrolment has used up its timeout")
)

// createCertificate is the one place where a certificate of an Intune provisioner is
// signed. It needs an approval for exactly this request and returns the certificate only
// after Intune has accepted its success notification.
func (p *entry) createCertificate(inner apiv1.CertificateAuthorityService, req *apiv1.CreateCertificateRequest) (*apiv1.CreateCertificateResponse, error) {
	if req.CSR == nil || req.Template == nil {
		return nil, errNotApproved
	}
	e := p.instance.enrolments.find(keyOf(p.name, req.CSR.Raw))
	if e == nil || !e.use() {
		p.log.Error("refused to sign", "err", errNotApproved, "subject", clip(req.Template.Subject.String()))
		return nil, errNotApproved
	}
	response, err := p.issueOrPanic(inner, e, req)
	if err != nil {
		e.update(func(r *result) { r.err = err })
		return nil, err
	}
	return response, nil
}

// issueOrPanic makes a panic an error, so that the enrolment ends at once and as failed.
func (p *entry) issueOrPanic(inner apiv1.CertificateAuthorityService, e *enrolment, req *apiv1.CreateCertificateRequest) (r *apiv1.CreateCertificateResponse, err error) {
	defer func() {
		if v := recover(); v != nil {
			r, err = nil, fmt.Errorf("panic: %v", v)
		}
	}()
	return p.issue(inner, e, req)
}

func (p *entry) issue(inner apiv1.CertificateAuthorityService, e *enrolment, req *apiv1.CreateCertificateRequest) (*apiv1.CreateCertificateResponse, error) {
	if err := e.inTime(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(e.ctx), e.deadline)
	defer cancel()
	claim, earlier, err := p.instance.claim(ctx, e)
	if err != nil {
		return nil, err
	}
	if earlier != nil {
		e.update(func(r *result) { r.signed, r.accepted, r.repeated = earlier.Certificate, true, true })
		return earlier, nil
	}
	e.update(func(r *result) { r.claim = claim })
	if !p.queued {
		// What Intune hears last of a transaction counts.
		if err := p.instance.state.store.Settle(ctx, e.record(), p.instance); err != nil {
			return nil, err
		}
	}
	response, err := p.sign(inner, e, req)
	if err != nil {
		return nil, err
	}
	if err := p.reportSuccess(ctx, e, claim, response.Certificate); err != nil {
		return nil, err
	}
	p.instance.issued.remember(e.key, response)
	return response, nil
}

// sign signs what was approved, in time, and looks at the result.
func (p *entry) sign(inner apiv1.CertificateAuthorityService, e *enrolment, req *apiv1.CreateCertificateRequest) (*apiv1.CreateCertificateResponse, error) {
	begin := time.Now()
	p.shorten(e, req)
	if err := e.request.Check(req.Template); err != nil {
		return nil, &templateError{err}
	}
	response, err := inner.CreateCertificate(req)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if err := profile.CheckIssued(req.Template, response.Certificate); err != nil {
		return nil, fmt.Errorf("checking the signed certificate: %w", err)
	}
	e.update(func(r *result) { r.signed, r.signing = response.Certificate, time.Since(begin) })
	return response, nil
}

// shorten applies the validity that the device asked for, where the profile allows it and
// it is shorter than what step-ca has set.
func (p *entry) shorten(e *enrolment, req *apiv1.CreateCertificateRequest) {
	t := req.Template
	if t.NotBefore.IsZero() || t.NotAfter.IsZero() {
		req.Lifetime = e.request.Validity(req.Lifetime)
		return
	}
	issued := t.NotBefore.Add(req.Backdate)
	t.NotAfter = issued.Add(e.request.Validity(t.NotAfter.Sub(issued)))
}

// reportSuccess is rule 2 of Microsoft's page: without an accepted success notification
// the certificate may not reach the device. With queued reports the operator has chosen
// otherwise: the report is safely stored instead. It no longer depends on the device:
// Intune hears of the certificate even when the device hangs up now.
func (p *entry) reportSuccess(ctx context.Context, e *enrolment, claim *report.Claim, cert *x509.Certificate) error {
	if err := e.inTime(); err != nil {
		return err
	}
	if err := claim.Prepare(ctx, cert, p.queued); err != nil {
		return fmt.Errorf("noting the certificate in the database: %w", err)
	}
	if p.queued {
		e.update(func(r *result) { r.accepted = true })
		return nil
	}
	release, err := p.limiter.notification(ctx)
	if err != nil {
		return err
	}
	defer release()
	begin := time.Now()
	receipt, err := p.client.SendSuccessNotification(ctx, e.transactionID, e.csr, intune.Issued{
		Certificate:          cert,
		CAConfiguration:      p.caID,
		CertificateAuthority: p.caID,
	})
	e.update(func(r *result) {
		r.notification = call{receipt: receipt, took: time.Since(begin)}
		r.accepted = err == nil
	})
	if err != nil {
		return &unreportedError{err}
	}
	return nil
}

// inTime reports whether the device is still there and the budget is not used up.
func (e *enrolment) inTime() error {
	if e.ctx.Err() != nil {
		return errHungUp
	}
	if !time.Now().Before(e.deadline) {
		return errTooLate
	}
	return nil
}

// templateError says that the template would have made a certificate other than the one
// that Intune approved.
type templateError struct{ err error }

func (e *templateError) Error() string {
	return "the certificate template goes beyond what was approved: " + e.err.Error()
}
func (e *templateError) Unwrap() error { return e.err }

// unreportedError says that a certificate was signed and is withheld, because Intune has
// not accepted its success notification.
type unreportedError struct{ err error }

func (e *unreportedError) Error() string {
	return "reporting the certificate to Intune: " + e.err.Error()
}
func (e *unreportedError) Unwrap() error { return e.err }
