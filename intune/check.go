package intune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result says how a step of Check ended.
type Result string

// The results.
const (
	Passed  Result = "passed"
	Failed  Result = "failed"
	Skipped Result = "skipped" // it could not be tried, or there is nothing to see
)

// Step is one thing that Check looked at.
type Step struct {
	// Name says what: "credential", "Graph token", "Graph look-up",
	// "validation service", "revocation service", "service hosts",
	// "Intune token", "Intune role", "clock".
	Name string
	// Result says how it went.
	Result Result
	// Detail is one line for a person to read.
	Detail string
	// Advice says what an administrator can do; empty unless it failed.
	Advice string
}

const (
	intuneRole = "scep_challenge_provider"
	// These may stand for the resource in a token's audience.
	graphResourceID  = "00000003-0000-0000-c000-000000000000"
	intuneResourceID = "c161e42e-d4df-4a3d-9b42-e7a3c31f59d4"
	// maxSkew is what Microsoft Entra ID tolerates.
	maxSkew = 5 * time.Minute
)

// Check tries the configuration step by step, with tokens and a look-up that
// are new, and returns all steps in order. It asks for nothing but these, so
// it changes nothing on Microsoft's side. Each request ends within
// Config.Timeout.
func (c *Client) Check(ctx context.Context) []Step {
	var r report
	graph, err := c.graphToken.fresh(ctx)
	if !r.passed("credential", "Microsoft Entra ID accepts it", err) {
		r.skip("Graph token", "Graph look-up", "validation service", "revocation service", "service hosts",
			"Intune token", "Intune role", "clock")
		return r.steps
	}
	// Tokens for Graph name its resource without the closing slash.
	r.token("Graph token", graph.value, strings.TrimSuffix(c.endpoints.Graph, "/"), graphResourceID)

	where, err := c.lookUpNow(ctx)
	if r.passed("Graph look-up", "Graph lists Intune's endpoints", err) {
		r.services(c, *where)
	} else {
		r.skip("validation service", "revocation service", "service hosts")
	}
	own, err := c.intuneToken.fresh(ctx)
	if err == nil {
		r.token("Intune token", own.value, c.endpoints.Intune, intuneResourceID)
		r.role(own.value)
	} else {
		r.passed("Intune token", "", err)
		r.skip("Intune role")
	}
	if where != nil {
		r.clock(*where)
	} else {
		r.skip("clock")
	}
	return r.steps
}

func (c *Client) lookUpNow(ctx context.Context) (*location, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.lookUp(ctx)
}

// report collects steps.
type report struct{ steps []Step }

func (r *report) add(name string, ok bool, detail, advice string) {
	s := Step{Name: name, Result: Passed, Detail: detail}
	if !ok {
		s.Result, s.Advice = Failed, advice
	}
	r.steps = append(r.steps, s)
}

func (r *report) passed(name, detail string, err error) bool {
	advice := "Check the network, the proxy and the trusted roots between here and Microsoft."
	if err != nil {
		detail = err.Error()
		if se, ok := errors.AsType[*ServiceError](err); ok && se.Advice != "" {
			advice = se.Advice
		}
	}
	r.add(name, err == nil, detail, advice)
	return err == nil
}

func (r *report) skip(names ...string) {
	for _, n := range names {
		r.steps = append(r.steps, Step{Name: n, Result: Skipped, Detail: "an earlier step failed"})
	}
}

// token looks at audience and expiry. Microsoft does not promise that others
// than the resource can read a token, so one that cannot be read is no fault.
func (r *report) token(name, value, resource, id string) {
	t, err := parseClaims(value)
	if err != nil {
		r.steps = append(r.steps, Step{Name: name, Result: Skipped, Detail: "there is a token, which cannot be read"})
		return
	}
	left := time.Until(time.Unix(t.Expires, 0)).Round(time.Second)
	detail := fmt.Sprintf("audience %q, expires in %s", clip(strings.Join(t.Audience, " "), 200), left)
	switch {
	case !slices.Contains(t.Audience, resource) && !slices.Contains(t.Audience, id):
		r.add(name, false, detail, fmt.Sprintf("The token is not for %q: check cloud and endpoints.", resource))
	case left <= 0:
		r.add(name, false, detail, "The token has expired by this machine's clock: set the clock.")
	default:
		r.add(name, true, detail, "")
	}
}

func (r *report) role(value string) {
	t, err := parseClaims(value)
	if err != nil {
		r.steps = append(r.steps, Step{Name: "Intune role", Result: Skipped, Detail: "the token cannot be read"})
		return
	}
	r.add("Intune role", slices.Contains(t.Roles, intuneRole),
		fmt.Sprintf("the token's roles: %s", clip(strings.Join(t.Roles, " "), 200)),
		"Grant the application the permission "+intuneRole+" of the Microsoft Intune API, with admin consent.")
}

func (r *report) services(c *Client, l location) {
	var found []string
	for _, s := range []struct{ step, name string }{
		{"validation service", scepService}, {"revocation service", revocationService},
	} {
		_, ok := l.services[strings.ToLower(s.name)]
		_, err := c.serviceURL(l, s.name)
		if ok {
			found = append(found, s.name)
			r.add(s.step, true, s.name+" is listed", "")
		} else {
			r.passed(s.step, "", err)
		}
	}
	if len(found) == 0 {
		r.skip("service hosts")
		return
	}
	for _, name := range found {
		if _, err := c.serviceURL(l, name); err != nil {
			r.passed("service hosts", "", err)
			return
		}
	}
	r.add("service hosts", true, "https, and under "+strings.Join(c.hosts, ", "), "")
}

func (r *report) clock(l location) {
	if l.date.IsZero() {
		r.steps = append(r.steps, Step{Name: "clock", Result: Skipped, Detail: "Graph told no time"})
		return
	}
	ahead, which := l.asked.Sub(l.date).Round(time.Second), "ahead of"
	if ahead < 0 {
		which = "behind"
	}
	r.add("clock", ahead.Abs() <= maxSkew, fmt.Sprintf("this machine is %s %s Graph", ahead.Abs(), which), "Set this machine's clock.")
}
