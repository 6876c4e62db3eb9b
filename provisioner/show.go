package provisioner

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// tokenHolder is what [intune.Client] has beside [intuneClient].
type tokenHolder interface {
	TokenExpiry() (graph, intune time.Time)
}

var (
	_ status.CA   = (*instance)(nil)
	_ tokenHolder = (*intune.Client)(nil)
)

// Ready implements [status.CA]. That the provisioners stand was seen at the start; without
// that there is no listener.
func (i *instance) Ready(ctx context.Context) error {
	if i.state == nil {
		return nil
	}
	if i.state.work.stopping() {
		return errStopping
	}
	if err := i.state.store.Ping(ctx); err != nil {
		i.log.Error("the CA is not ready", "err", err)
		return errNoDatabase // what a driver says of its server is not for everybody
	}
	return nil
}

var errNoDatabase = errors.New("the database does not answer, see the log")

// Provisioners implements [status.CA].
func (i *instance) Provisioners() []status.Provisioner {
	all := make([]status.Provisioner, 0, len(i.entries))
	for _, name := range slices.Sorted(maps.Keys(i.entries)) {
		e := i.entries[name]
		p := status.Provisioner{Name: name, Tenant: e.tenant}
		p.Taken, p.MaxConcurrent = e.limiter.load()
		if c, ok := e.client.(tokenHolder); ok {
			p.GraphToken, p.IntuneToken = c.TokenExpiry()
		}
		all = append(all, p)
	}
	return all
}

// Enrolling implements [status.CA].
func (i *instance) Enrolling() int {
	if i.state == nil {
		return 0
	}
	return i.state.work.underWay()
}

// Outbox implements [status.CA].
func (i *instance) Outbox() report.Snapshot {
	if i.state == nil {
		return report.Snapshot{}
	}
	if d := i.state.latest.Load(); d != nil {
		return d.Snapshot()
	}
	return report.Snapshot{}
}

// Reports implements [status.CA].
func (i *instance) Reports() status.Reports {
	if i.state == nil {
		return nil
	}
	return loggedReports{Store: i.state.store, instance: i}
}

// loggedReports leaves a line of what an operator has decided.
type loggedReports struct {
	*report.Store
	instance *instance
}

// Retry implements [status.Reports].
func (r loggedReports) Retry(ctx context.Context, id string) error {
	return r.logged("report is tried again, as an operator wishes", id, r.Store.Retry(ctx, id))
}

// Drop implements [status.Reports].
func (r loggedReports) Drop(ctx context.Context, id string) error {
	return r.logged("report dropped by an operator: Intune will not hear of it", id, r.Store.Drop(ctx, id))
}

func (r loggedReports) logged(text, id string, err error) error {
	if err == nil {
		r.instance.log.Warn(text, "report", id)
	}
	return err
}

// observe counts an attempt at a call to Microsoft.
func (e *entry) observe(_ context.Context, a intune.Attempt) {
	if e.instance != nil {
		e.instance.board.Called(e.name, a)
	}
}

// showOutcome counts an enrolment that has ended.
func (p *entry) showOutcome(e *enrolment, o outcome, res result, err error) {
	subject, _ := e.names()
	shown := status.Enrolment{
		Provisioner: p.name, Outcome: string(o),
		Transaction: clip(e.transactionID), Request: clip(e.requestID), Subject: clip(subject),
		Validation: res.validation.took, Signing: res.signing, Notification: res.notification.took,
		Whole: time.Since(e.started),
	}
	var service *intune.ServiceError
	if errors.As(err, &service) {
		shown.Code, shown.Advice = service.Code, service.Advice
	}
	if err != nil {
		shown.Error = clip(e.redact(err.Error()))
	}
	p.instance.board.Enrolled(shown)
}
