package intune

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// Client speaks to Intune for one application in one tenant. It serves any
// number of goroutines and keeps tokens, service addresses and connections:
// make one and use it for everything.
type Client struct {
	callerInfo string
	endpoints  Endpoints
	hosts      hostList
	timeout    time.Duration
	retries    int
	jitter     func(time.Duration) time.Duration
	log        *slog.Logger
	observer   func(context.Context, Attempt)
	http       *http.Client

	source  tokenSource
	managed bool // source is a managed identity

	graphToken   *cache[string]
	intuneToken  *cache[string]
	location     *cache[location]
	lastLocation atomic.Pointer[location]
	gates        gates
}

// gates has one gate for each service that can answer 429 on its own.
type gates struct {
	login, graph, scep, revocation gate
}

func (g *gates) of(service string) *gate {
	if service == revocationService {
		return &g.revocation
	}
	return &g.scep
}

// New checks the configuration and returns a client. It touches files but no
// network; Client.Check does. An error names the field that is wrong.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	endpoints, ownHosts, err := cfg.Cloud.resolve(cfg.Endpoints)
	if err != nil {
		return nil, err
	}
	if cfg.AllowedServiceHosts == nil {
		cfg.AllowedServiceHosts = ownHosts
	}
	hosts, err := parseHosts(cfg.AllowedServiceHosts)
	if err != nil {
		return nil, err
	}
	c := &Client{
		callerInfo: cfg.CallerInfo, endpoints: endpoints, hosts: hosts,
		timeout: cfg.Timeout, retries: cfg.Retries, jitter: cfg.jitter,
		log: cfg.Logger, observer: cfg.Observer,
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.jitter == nil {
		c.jitter = fullJitter
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	base := cfg.base
	if base == nil {
		if base, err = newTransport(&cfg); err != nil {
			return nil, err
		}
	}
	c.http = &http.Client{Transport: base, CheckRedirect: noRedirects}
	if err := c.useCredential(cfg); err != nil {
		return nil, err
	}
	c.graphToken = c.tokenCache(endpoints.Graph + ".default")
	// The double slash is meant: it makes the token's audience end in one.
	c.intuneToken = c.tokenCache(endpoints.Intune + "/.default")
	c.location = &cache[location]{timeout: c.timeout, log: c.log, load: c.loadLocation}
	return c, nil
}

// CloseIdleConnections closes connections that no call is using. Call it when
// the client is replaced by another one.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }
