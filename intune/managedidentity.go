package intune

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
)

// ManagedIdentity is the identity that Azure gives to the machine or workload:
// "system" for the system-assigned one, else the client id of a user-assigned
// one. The identity endpoint is on this machine and asked without a proxy.
func ManagedIdentity(id string) Credential { return managedIdentity(id) }

type managedIdentity string

func (m managedIdentity) source(l login) (tokenSource, error) {
	var id managedidentity.ID
	switch m {
	case "":
		return nil, errors.New(`managed identity: neither "system" nor a client id`)
	case "system":
		id = managedidentity.SystemAssigned()
	default:
		id = managedidentity.UserAssignedClientID(m)
	}
	client, err := managedidentity.New(id,
		managedidentity.WithHTTPClient(l.direct),
		managedidentity.WithRetryPolicyDisabled()) // the client repeats by its own rules
	if err != nil {
		return nil, err
	}
	return managedSource{client}, nil
}

// directClient is for the identity endpoint. MSAL wants a plain http.Client.
func directClient(base http.RoundTripper) *http.Client {
	if base == nil {
		base = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConns:           4,
			IdleConnTimeout:        10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{Transport: base, CheckRedirect: noRedirects}
}

type managedSource struct{ client managedidentity.Client }

func (s managedSource) acquire(ctx context.Context, scope string) (token, []string, error) {
	// Claims make MSAL leave out its cache, which all clients of the process
	// share and which cannot forget a token; they are not sent.
	res, err := s.client.AcquireToken(ctx, scope, managedidentity.WithClaims("{}"))
	if err != nil {
		return token{}, nil, err
	}
	return token{value: res.AccessToken, expires: res.ExpiresOn, renew: res.Metadata.RefreshOn}, nil, nil
}
