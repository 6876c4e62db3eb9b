package status

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges tells how the CA is at the moment of a scrape.
type gauges struct{ board *Board }

var _ prometheus.Collector = gauges{}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	buildInfo = gauge("build_info", "1, with the version of the program.", "version")
	tokens    = gauge("token_expiry_timestamp_seconds",
		"Until when the token for a resource of Microsoft is used; absent before the first call.", "provisioner", "resource")
	enrolling = gauge("enrolments_in_flight", "Requests of devices that are under way.")
	taken     = gauge("enrolment_places_taken", "Places of maxConcurrent that are taken.", "provisioner")
	limit     = gauge("enrolment_places", "How many there are: maxConcurrent.", "provisioner")
	pending   = gauge("reports_pending", "Reports that Intune has still to get.")
	dead      = gauge("reports_dead", "Reports that are not tried any more: retry or drop them.")
	oldest    = gauge("reports_oldest_pending_age_seconds", "Age of the oldest pending report, 0 without one.")
)

// Describe implements [prometheus.Collector].
func (g gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildInfo, tokens, enrolling, taken, limit, pending, dead, oldest} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(out chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	set(buildInfo, 1, g.board.version)
	ca := g.board.shown()
	if ca == nil {
		return
	}
	set(enrolling, float64(ca.Enrolling()))
	for _, p := range ca.Provisioners() {
		set(taken, float64(p.Taken), p.Name)
		set(limit, float64(p.MaxConcurrent), p.Name)
		for resource, expiry := range map[string]time.Time{"graph": p.GraphToken, "intune": p.IntuneToken} {
			if !expiry.IsZero() {
				set(tokens, float64(expiry.UnixMilli())/1000, p.Name, resource)
			}
		}
	}
	box := ca.Outbox()
	if box.At.IsZero() {
		return
	}
	age := 0.0
	if !box.Oldest.IsZero() {
		age = max(0, time.Since(box.Oldest).Seconds())
	}
	set(pending, float64(box.Pending))
	set(dead, float64(box.Dead))
	set(oldest, age)
}
