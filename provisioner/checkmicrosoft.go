package provisioner

import (
	"context"
	"net/url"
	"slices"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// intuneChecker is what [Check] needs of [intune.Client].
type intuneChecker interface {
	Check(ctx context.Context) []intune.Step
}

var _ intuneChecker = (*intune.Client)(nil)

// microsoft asks Microsoft what it would answer to an entry.
func (x *examination) microsoft(ctx context.Context, c intuneChecker, r *rawEntry) {
	steps := c.Check(ctx)
	failed := slices.ContainsFunc(steps, func(s intune.Step) bool { return s.Result == intune.Failed })
	for _, s := range steps {
		switch {
		case s.Result == intune.Passed:
			x.ok("%s: %s", s.Name, s.Detail)
		case s.Result == intune.Failed:
			x.problem(s.Advice+viaProxy(r), "%s: %s", s.Name, s.Detail)
		case !failed:
			x.warn("Nothing, as long as devices get certificates.", "%s: %s", s.Name, s.Detail)
		}
	}
}

// viaProxy names the proxy of an entry, as what may stand in the way.
func viaProxy(r *rawEntry) string {
	s := r.settings()
	if s.Proxy == nil {
		return ""
	}
	u, err := url.Parse(s.Proxy.URL)
	if err != nil {
		return ""
	}
	return " All calls go through intune.proxy, " + u.Host + "."
}
