package provisioner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

const (
	// maxTransactionID bounds what a device may call its transaction. Seen are up to 77
	// characters.
	maxTransactionID = 1024
	// grace is how long step-ca may take after the budget to store, encrypt and notify. It
	// ends every answer after 15 s, so whatever takes longer helps no device.
	grace = 10 * time.Second
)

var (
	errStopping      = errors.New("the CA is stopping")
	errNoRoute       = errors.New("the call does not belong to a SCEP request")
	errNoChallenge   = errors.New("the request has no challenge")
	errTransactionID = fmt.Errorf("the SCEP transaction id is empty or longer than %d bytes", maxTransactionID)
	errAbandoned     = errors.New("step-ca did not end the request in time")
)

// ValidateChallenge implements [webhook.Receiver]: it asks Intune and leaves an approval
// for this one request. The data that it returns are what templates may use.
func (p *entry) ValidateChallenge(ctx context.Context, c webhook.Challenge) (any, error) {
	p.instance.serves()
	e := p.newEnrolment(ctx, c)
	if !p.instance.state.work.begin() {
		p.log.Warn("enrolment", outcomeAttrs(e, outcomeFailed, result{}, errStopping)...)
		p.showOutcome(e, outcomeFailed, result{}, errStopping)
		return nil, errStopping
	}
	outcome, err := p.approve(e)
	if err != nil {
		if res, first := e.finish(); first {
			p.logOutcome(e, outcome, res, err)
		}
		p.instance.state.work.end()
		return nil, err
	}
	return e.request.TemplateData(), nil
}

func (p *entry) newEnrolment(ctx context.Context, c webhook.Challenge) *enrolment {
	now := time.Now()
	return &enrolment{
		entry:         p,
		key:           keyOf(p.name, c.CSR),
		ctx:           ctx,
		route:         chi.RouteContext(ctx),
		transactionID: c.TransactionID,
		requestID:     c.RequestID,
		csr:           c.CSR,
		password:      c.Password,
		started:       now,
		deadline:      now.Add(p.timeout),
		closed:        make(chan struct{}),
	}
}

// approve returns nil when Intune has approved the enrolment, which is then open until
// the NOTIFYING hook, or why not.
func (p *entry) approve(e *enrolment) (o outcome, err error) {
	opened := false
	defer func() {
		if r := recover(); r != nil {
			o, err = outcomeFailed, fmt.Errorf("panic: %v", r)
		}
		if opened && err != nil {
			p.close(e)
		}
	}()
	if e.route == nil {
		return outcomeFailed, errNoRoute
	}
	if e.password == "" {
		return outcomeRefused, errNoChallenge // what Intune could not approve it need not be asked about
	}
	if e.transactionID == "" || len(e.transactionID) > maxTransactionID {
		return outcomeRefused, errTransactionID
	}
	// Anyone can send a request: what can never become a certificate is refused without a
	// call to Intune and without a notification.
	if e.request, err = p.profile.Read(e.csr); err != nil {
		return outcomeRefused, err
	}
	// The NOTIFYING hook of an earlier request with this route context never came.
	if stale := p.instance.enrolments.findRoute(e.route); stale != nil {
		stale.entry.abandon(stale)
	}
	ctx, cancel := context.WithDeadline(e.ctx, e.deadline)
	defer cancel()
	if err := p.instance.enrolments.open(ctx, e, p.limiter.queue); err != nil {
		return outcomeFailed, err
	}
	opened = true
	switch err := p.ask(ctx, e); {
	case errors.Is(err, intune.ErrRefused):
		return outcomeRefused, err
	case err != nil:
		return outcomeFailed, err
	}
	// Under the lock that finish takes, so that the timer's goroutine sees the timer.
	e.update(func(*result) {
		e.abandonment = time.AfterFunc(time.Until(e.deadline)+grace, func() { p.abandon(e) })
	})
	return "", nil
}

// enter waits for a place for the enrolment and for one at Intune, and returns how to give
// back the latter. Nobody waits for longer than half of the budget: the answer would come
// too late for the rest of the enrolment, and the call would be in somebody else's way. A
// copy that has waited for an earlier one may still take places that are free, since mostly
// it gets the certificate of that.
func (p *entry) enter(ctx context.Context, e *enrolment) (release func(), err error) {
	ctx, cancel := context.WithDeadline(ctx, e.deadline.Add(-p.timeout/2))
	defer cancel()
	if e.leave, err = p.limiter.enrolment(ctx); err != nil {
		return nil, err
	}
	return p.limiter.validation(ctx)
}

// ask is rule 1 of Microsoft's page: without a successful validation no certificate may
// be issued. An approval that comes too late is one all the same: what follows refuses to
// sign and tells Intune so.
func (p *entry) ask(ctx context.Context, e *enrolment) error {
	if err := p.instance.refusals.recall(e.key); err != nil {
		return err
	}
	release, err := p.enter(ctx, e)
	if err != nil {
		return err
	}
	defer release()
	begin := time.Now()
	receipt, err := p.client.ValidateRequest(ctx, e.transactionID, e.csr)
	if errors.Is(err, intune.ErrRefused) {
		p.instance.refusals.remember(e.key, err)
	}
	e.update(func(r *result) {
		r.validation = call{receipt: receipt, took: time.Since(begin)}
		r.approved = err == nil
	})
	return err
}
