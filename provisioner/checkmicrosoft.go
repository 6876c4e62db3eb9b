package provisioner

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// intuneChecker is what [Check] needs of [intune.Client].
type intuneChecker interface {
	Check(ctx context.Context) []intune.Step
}

// revocationStep is about a service that no enrolment needs.
const revocationStep = "revocation service"

var _ intuneChecker = (*intune.Client)(nil)

// microsoft asks Microsoft what it would answer to an entry.
func (x *examination) microsoft(ctx context.Context, c intuneChecker, r *rawEntry) {
	steps := c.Check(ctx)
	failed := slices.ContainsFunc(steps, func(s intune.Step) bool { return s.Result == intune.Failed })
	for _, s := range steps {
		switch {
		case s.Result == intune.Passed:
			x.ok("%s: %s", s.Name, s.Detail)
		case s.Result == intune.Failed && s.Name == revocationStep:
			x.warn(s.Advice, "%s: %s", s.Name, s.Detail)
		case s.Result == intune.Failed:
			x.problem(s.Advice+viaProxy(s, r), "%s: %s", s.Name, s.Detail)
		case !failed:
			x.warn("Nothing, as long as devices get certificates.", "%s: %s", s.Name, s.Detail)
		}
	}
}

// viaProxy names the proxy of an entry where it may stand in the way.
func viaProxy(s intune.Step, r *rawEntry) string {
	proxy := r.settings().Proxy
	if proxy == nil || !strings.Contains(s.Advice, "the proxy") {
		return ""
	}
	u, err := url.Parse(proxy.URL)
	if err != nil {
		return ""
	}
	return " All calls go through intune.proxy, " + u.Host + ": let it pass CONNECT to Microsoft's hosts."
}
