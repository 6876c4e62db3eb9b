package status

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

const namespace = "step_ca_intune"

// metrics counts for Prometheus, in a registry of its own. No label can have any number of
// values: provisioners are those of the configuration, the rest are fixed sets.
type metrics struct {
	registry  *prometheus.Registry
	enrolment *prometheus.CounterVec   // by provisioner, outcome, code
	whole     *prometheus.HistogramVec // by provisioner, outcome
	step      *prometheus.HistogramVec // by provisioner, step
	calls     *prometheus.CounterVec   // by provisioner, operation, result
	call      *prometheus.HistogramVec // by provisioner, operation
	retries   *prometheus.CounterVec   // by provisioner, operation
}

// seconds is where durations are divided: step-ca ends every answer after 15 s.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15}

func newMetrics(b *Board) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: seconds}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		enrolment: counter("enrolments_total",
			"Requests of devices that have ended, by outcome and Intune's code.", "provisioner", "outcome", "code"),
		whole: histogram("enrolment_duration_seconds",
			"How long enrolments took, from the validation to the answer.", "provisioner", "outcome"),
		step: histogram("enrolment_step_duration_seconds",
			"How long the steps of enrolments took: validation, signing, notification.", "provisioner", "step"),
		calls: counter("microsoft_calls_total",
			"Requests to Microsoft, repeated ones included, by operation and result.", "provisioner", "operation", "result"),
		call: histogram("microsoft_call_duration_seconds",
			"How long requests to Microsoft took.", "provisioner", "operation"),
		retries: counter("microsoft_retries_total",
			"Requests to Microsoft that repeated an earlier one.", "provisioner", "operation"),
	}
	m.registry.MustRegister(
		m.enrolment, m.whole, m.step, m.calls, m.call, m.retries, gauges{b},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) enrolled(e *Enrolment) {
	m.enrolment.WithLabelValues(e.Provisioner, e.Outcome, codeLabel(e)).Inc()
	m.whole.WithLabelValues(e.Provisioner, e.Outcome).Observe(e.Whole.Seconds())
	for step, took := range map[string]time.Duration{
		"validation": e.Validation, "signing": e.Signing, "notification": e.Notification,
	} {
		if took > 0 {
			m.step.WithLabelValues(e.Provisioner, step).Observe(took.Seconds())
		}
	}
}

// expect begins the counters of a provisioner at 0: Prometheus does not see the increase of
// one that begins at 1.
func (m *metrics) expect(provisioner string) {
	for _, outcome := range []string{Issued, Refused, Failed, Unreported} {
		m.enrolment.WithLabelValues(provisioner, outcome, codeLabel(&Enrolment{Outcome: outcome}))
	}
	for _, operation := range operations {
		for _, kind := range results {
			m.calls.WithLabelValues(provisioner, operation, kind.result)
		}
		m.retries.WithLabelValues(provisioner, operation)
	}
}

func (m *metrics) called(provisioner string, a *intune.Attempt) {
	m.calls.WithLabelValues(provisioner, a.Operation, resultOf(a.Err)).Inc()
	m.call.WithLabelValues(provisioner, a.Operation).Observe(a.Duration.Seconds())
	if a.Number > 1 {
		m.retries.WithLabelValues(provisioner, a.Operation).Inc()
	}
}

// operations are those that an enrolment needs, by the names of [intune.Attempt].
var operations = []string{"token", "discovery", "validateRequest", "successNotification", "failureNotification"}

// results are how a call can end.
var results = []struct {
	err    error
	result string
}{
	{nil, "success"},
	{intune.ErrRefused, "refused"},
	{intune.ErrThrottled, "throttled"}, // before the kind that it is, too
	{intune.ErrUnauthorized, "unauthorized"},
	{intune.ErrServiceNotFound, "service_not_found"},
	{intune.ErrUnavailable, "unavailable"},
}

// resultOf is one of a fixed set.
func resultOf(err error) string {
	for _, kind := range results {
		if errors.Is(err, kind.err) {
			return kind.result
		}
	}
	return "error"
}

// handler serves the metrics. Few ask at once, and none may keep a request for long.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
