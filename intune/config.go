package intune

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Config says which tenant the client speaks for, and how.
type Config struct {
	// Tenant is the directory in Microsoft Entra ID, by name
	// ("contoso.onmicrosoft.com") or id. Required, save with ManagedIdentity.
	Tenant string
	// ClientID is the application id, a UUID. Required, save with
	// ManagedIdentity.
	ClientID string
	// Credential proves that we are the application. Required.
	Credential Credential
	// Cloud is where the tenant lives. Zero: CloudPublic.
	Cloud Cloud
	// Endpoints replace those of the cloud, one by one.
	Endpoints Endpoints
	// AllowedServiceHosts are the hosts, or parent domains, that may receive
	// Intune tokens. Nil: the cloud's management domain and, where
	// Endpoints.Intune is set, its host with all hosts below it: whoever sets
	// that endpoint allows tokens to go there. An empty list is refused.
	AllowedServiceHosts []string
	// TLS is for the connections to Microsoft. Zero: the system's roots. At
	// least TLS 1.2 is used whatever it says; InsecureSkipVerify is refused.
	TLS *tls.Config
	// Proxy returns the proxy for a request, or nil for none; see ProxyVia.
	// Zero: the environment, as http.ProxyFromEnvironment reads it.
	Proxy func(*http.Request) (*url.URL, error)
	// Timeout bounds a call with everything that belongs to it: tokens,
	// look-up, retries. A sooner deadline of the context wins. Zero: 10 s.
	Timeout time.Duration
	// Retries is how often a call is repeated after a fault that may pass,
	// within Timeout, 10 times at most. Zero: never. That Intune accepts a repeated validation
	// is not documented; a repeat that is refused is a refusal.
	Retries int
	// CallerInfo names the calling product and its version ("Contoso CA
	// 1.0"): Intune's callerInfo and UserAgent. Required.
	CallerInfo string
	// Logger gets attempts at debug and retries at warn. Zero: none.
	Logger *slog.Logger
	// Observer is called after every attempt, from the goroutine that made
	// it: by several at once, so it must be safe for that, and return soon.
	// Zero: none.
	Observer func(context.Context, Attempt)

	base   http.RoundTripper                 // instead of the network, for tests
	jitter func(time.Duration) time.Duration // a random part of a delay, for tests
}

const (
	defaultTimeout = 10 * time.Second
	maxRetries     = 10
)

// check names the field that is wrong. It touches no network.
func (c *Config) check() error {
	_, managed := c.Credential.(managedIdentity)
	switch {
	case c.Credential == nil:
		return errors.New("credential: required")
	case !managed && !isTenant(c.Tenant):
		return fmt.Errorf("tenant: %q is neither the name nor the id of a directory", c.Tenant)
	case !managed && uuid.Validate(c.ClientID) != nil:
		return fmt.Errorf("clientID: %q is not an application id (a UUID)", c.ClientID)
	case strings.TrimSpace(c.CallerInfo) == "":
		return errors.New("callerInfo: required")
	case strings.ContainsFunc(c.CallerInfo, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("callerInfo: %q is not printable ASCII", c.CallerInfo)
	case c.AllowedServiceHosts != nil && len(c.AllowedServiceHosts) == 0:
		return errors.New("allowedServiceHosts: an empty list allows no host; leave it out for the cloud's own")
	case c.Timeout < 0:
		return fmt.Errorf("timeout: %s is negative", c.Timeout)
	case c.Retries < 0 || c.Retries > maxRetries:
		return fmt.Errorf("retries: %d is not between 0 and %d", c.Retries, maxRetries)
	}
	return nil
}

// isTenant accepts a domain name or a UUID, and no name that means any tenant
// or another kind of authority.
func isTenant(s string) bool {
	switch strings.ToLower(s) {
	case "common", "organizations", "consumers", "adfs", "dstsv2":
		return false
	}
	return isHostName(strings.ToLower(s)) && !strings.HasSuffix(s, ".")
}
