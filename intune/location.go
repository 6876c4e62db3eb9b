package intune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The services in Graph's list.
const (
	scepService       = "ScepRequestValidationFEService"
	revocationService = "PkiConnectorFEService"
)

const (
	// intuneAppID is Intune itself in every tenant.
	intuneAppID = "0000000a-0000-0000-c000-000000000000"
	// locationLife is how long an address is believed. It is looked up
	// again, in the background, a little earlier.
	locationLife  = 30 * time.Minute
	locationRenew = 25 * time.Minute
	maxPages      = 10
	maxGraphBody  = 1 << 20 // bytes
)

// location is where a tenant's services are, by lower-case name.
type location struct {
	services map[string]string
	// date is the time of the look-up by Graph's clock, zero if it told none,
	// and asked the time by ours.
	date, asked time.Time
}

// locate returns the address of a service where it may receive tokens.
func (c *Client) locate(ctx context.Context, service string) (*url.URL, *entry[location], error) {
	e, err := c.location.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	u, err := c.serviceURL(e.value, service)
	if err != nil {
		c.location.drop(e) // an administrator may put it right at any time
		return nil, nil, err
	}
	return u, e, nil
}

func (c *Client) serviceURL(l location, service string) (*url.URL, error) {
	uri, ok := l.services[strings.ToLower(service)]
	if !ok {
		return nil, &ServiceError{
			Kind: ErrServiceNotFound, Operation: "discovery",
			Description: fmt.Sprintf("Graph does not list %s", service),
			Advice:      "Check that the tenant has an Intune licence and that the application has Intune's permission scep_challenge_provider with admin consent.",
		}
	}
	u, err := c.hosts.check(uri)
	if err != nil {
		return nil, &ServiceError{
			Kind: ErrServiceNotFound, Operation: "discovery",
			Description: redact(fmt.Sprintf("Graph lists %s where no token may go: %v", service, err)),
			Advice:      "Check cloud and allowedServiceHosts.",
		}
	}
	return u, nil
}

// loadLocation looks the services up. When Graph cannot be asked just now, the
// address that it told last is better than none: Intune may well be there.
func (c *Client) loadLocation(ctx context.Context) (*entry[location], error) {
	l, err := c.lookUp(ctx)
	now := time.Now()
	if err == nil {
		c.lastLocation.Store(l)
		return &entry[location]{value: *l, renew: now.Add(locationRenew), expires: now.Add(locationLife)}, nil
	}
	last := c.lastLocation.Load()
	if last == nil || !errors.Is(err, ErrUnavailable) {
		return nil, err
	}
	c.log.WarnContext(ctx, "using the last known address of Intune", "err", err)
	// Not due at once: Graph is asked every renewalPause, not by every caller.
	return &entry[location]{value: *last, renew: now.Add(renewalPause), expires: now.Add(2 * renewalPause)}, nil
}

// lookUp asks Graph for the endpoints of Intune's service principal.
//
// https://learn.microsoft.com/en-us/mem/intune/protect/scep-libraries-apis
func (c *Client) lookUp(ctx context.Context) (*location, error) {
	l := location{services: make(map[string]string)}
	next := c.endpoints.Graph + "v1.0/servicePrincipals/appId=" + intuneAppID + "/endpoints"
	for range maxPages {
		body, date, err := c.askGraph(ctx, next)
		if err != nil {
			return nil, err
		}
		var more string
		if more, err = l.add(body); err != nil {
			return nil, &ServiceError{Kind: ErrUnavailable, Operation: "discovery", Description: err.Error()}
		}
		if l.asked.IsZero() {
			l.date, l.asked = date, time.Now()
		}
		if more == "" {
			return &l, nil
		}
		if !c.onGraph(more) {
			return nil, &ServiceError{Kind: ErrUnavailable, Operation: "discovery", Description: "the next page is on another host"}
		}
		next = more
	}
	return nil, &ServiceError{Kind: ErrUnavailable, Operation: "discovery", Description: "the list has too many pages"}
}

// add reads one page and returns the address of the next. Names compare
// without case, and the first of several wins.
func (l *location) add(body []byte) (next string, err error) {
	var page struct {
		Value []struct {
			ProviderName string `json:"providerName"`
			URI          string `json:"uri"`
		} `json:"value"`
		Next string `json:"@odata.nextLink"`
	}
	if err := json.Unmarshal(body, &page); err != nil || page.Value == nil {
		return "", errors.New("the answer is not a list of endpoints")
	}
	for _, v := range page.Value {
		name := strings.ToLower(v.ProviderName)
		if _, ok := l.services[name]; !ok {
			l.services[name] = v.URI
		}
	}
	return page.Next, nil
}

// onGraph keeps the Graph token where it belongs.
func (c *Client) onGraph(address string) bool {
	next, err := url.Parse(address)
	if err != nil {
		return false
	}
	graph, err := url.Parse(c.endpoints.Graph)
	return err == nil && next.Scheme == "https" && next.User == nil && strings.EqualFold(next.Host, graph.Host)
}

// askGraph returns one page and the time by Graph's clock.
func (c *Client) askGraph(ctx context.Context, address string) (body []byte, date time.Time, err error) {
	var refused *entry[string] // token
	err = c.retry(ctx, "discovery", "", &c.gates.graph, func(ctx context.Context) outcome {
		t, err := c.graphToken.after(ctx, refused)
		if err != nil {
			return outcome{unsent: err}
		}
		share, cancel := c.shareOf(ctx)
		defer cancel()
		r := c.send(share, request{method: http.MethodGet, url: address, token: t.value, limit: maxGraphBody, hide: func() []string { return []string{t.value} }})
		o := r.outcome(ctx)
		switch {
		case r.status == http.StatusOK && r.err == nil:
			body = r.body
			date, _ = http.ParseTime(r.header.Get("Date"))
		case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
			// As with Intune's token in call.
			if refused == nil {
				refused, o.verdict = t, renewed
			}
			o.err.Kind = ErrUnauthorized
			o.err.Advice = "Grant the application the permission Application.Read.All of Microsoft Graph, with admin consent."
		}
		return o
	})
	return body, date, err
}
