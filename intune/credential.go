package intune

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	msalcache "github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// Credential proves to Microsoft Entra ID that we are the application. Make
// one with SecretFile, SecretEnv, ClientSecret, ClientCertificate,
// FederatedTokenFile or ManagedIdentity.
type Credential interface {
	// source checks the credential as far as that goes without the network.
	source(login) (tokenSource, error)
}

// tokenSource acquires a token anew each time; the client caches it. hide are
// the secrets that were sent for it.
type tokenSource interface {
	acquire(ctx context.Context, scope string) (t token, hide []string, err error)
}

// token is a bearer token and its times. renew may be zero.
type token struct {
	value          string
	expires, renew time.Time
}

// login is what a credential needs to know of the authority.
type login struct {
	authority, clientID string
	http                *loginClient
	direct              *http.Client // for this machine's identity endpoint
}

// client returns MSAL's client without its cache: MSAL cannot forget a token
// that proved bad, so the client keeps tokens itself. Instance discovery is
// off; it would ask the public cloud about authorities that the operator set.
func (l login) client(cred confidential.Credential) (confidential.Client, error) {
	return confidential.New(l.authority, l.clientID, cred,
		confidential.WithHTTPClient(l.http),
		confidential.WithInstanceDiscovery(false),
		confidential.WithAzureRegion("DisableMsalForceRegion"),
		confidential.WithCache(noCache{}))
}

func acquire(ctx context.Context, client confidential.Client, scope string) (token, error) {
	res, err := client.AcquireTokenByCredential(ctx, []string{scope})
	if err != nil {
		return token{}, err
	}
	return token{value: res.AccessToken, expires: res.ExpiresOn, renew: res.Metadata.RefreshOn}, nil
}

// noCache empties MSAL's cache before each use.
type noCache struct{}

func (noCache) Replace(_ context.Context, c msalcache.Unmarshaler, _ msalcache.ReplaceHints) error {
	return c.Unmarshal([]byte("{}"))
}

func (noCache) Export(context.Context, msalcache.Marshaler, msalcache.ExportHints) error { return nil }

// SecretFile is an application key (client secret) in a file, which is read
// anew for each token: a changed file needs no restart.
func SecretFile(path string) Credential {
	return secretCredential{func() (Secret, error) {
		s, err := readSecretFile(path)
		if err != nil {
			return "", fmt.Errorf("reading the application key: %w", err)
		}
		return s, nil
	}}
}

// SecretEnv is an application key in an environment variable.
func SecretEnv(name string) Credential {
	return secretCredential{func() (Secret, error) {
		s, err := parseSecret([]byte(os.Getenv(name)))
		if err != nil {
			return "", fmt.Errorf("reading the application key: environment variable %q %w", name, err)
		}
		return s, nil
	}}
}

// ClientSecret is an application key that the program already holds.
func ClientSecret(s Secret) Credential {
	return secretCredential{func() (Secret, error) {
		if s == "" {
			return "", errors.New("the application key is empty")
		}
		return s, nil
	}}
}

type secretCredential struct {
	read func() (Secret, error)
}

func (c secretCredential) source(l login) (tokenSource, error) {
	if _, err := c.read(); err != nil {
		return nil, err
	}
	return &secretSource{read: c.read, login: l}, nil
}

type secretSource struct {
	read  func() (Secret, error)
	login login

	mu     sync.Mutex
	secret Secret // the one in client
	client confidential.Client
}

// acquire asks with the present key and, when that is refused although a new
// one has come meanwhile, with the new one.
func (s *secretSource) acquire(ctx context.Context, scope string) (token, []string, error) {
	var hide []string
	for {
		secret, err := s.read()
		if err != nil {
			return token{}, hide, &credentialError{err}
		}
		hide = append(hide, string(secret))
		client, err := s.clientFor(secret)
		if err != nil {
			return token{}, hide, &credentialError{errors.New("MSAL does not accept the configuration")}
		}
		t, err := acquire(ctx, client, scope)
		if err == nil || len(hide) > 1 || !refusesCredential(err) {
			return t, hide, err
		}
		if now, readErr := s.read(); readErr != nil || now == secret {
			return t, hide, err
		}
	}
}

func (s *secretSource) clientFor(secret Secret) (confidential.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if secret == s.secret {
		return s.client, nil
	}
	cred, err := confidential.NewCredFromSecret(string(secret))
	if err != nil {
		return confidential.Client{}, err
	}
	client, err := s.login.client(cred)
	if err != nil {
		return confidential.Client{}, err
	}
	s.secret, s.client = secret, client
	return client, nil
}

// credentialError is a fault of the credential on our side, before anything
// was sent: a file that cannot be read, a key that does not sign.
type credentialError struct{ err error }

func (e *credentialError) Error() string { return e.err.Error() }
func (e *credentialError) Unwrap() error { return e.err }
