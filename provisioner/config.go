package provisioner

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// clientConfig returns what the client of Microsoft's API needs. The error names the key
// below `intune`. With mistakes it returns what can be read.
func (s *settings) clientConfig() (intune.Config, error) {
	conf := intune.Config{
		Tenant:              s.Tenant,
		ClientID:            s.ClientID,
		Cloud:               intune.Cloud(s.Cloud),
		Endpoints:           intune.Endpoints{Login: s.Endpoints.Login, Graph: s.Endpoints.Graph, Intune: s.Endpoints.Intune},
		AllowedServiceHosts: s.AllowedServiceHosts,
		Retries:             defaultRetries,
	}
	var wrong mistakes
	for _, set := range []func(*settings, *intune.Config) error{
		(*settings).setCredential, (*settings).setTimes, (*settings).setNetwork,
	} {
		wrong.note(set(s, &conf))
	}
	return conf, wrong.err()
}

// setTimes sets timeout and retries.
func (s *settings) setTimes(conf *intune.Config) (err error) {
	if s.Retries != nil {
		if conf.Retries = *s.Retries; conf.Retries < 0 {
			return keyError("retries", "%d is negative", conf.Retries)
		}
	}
	conf.Timeout, err = s.timeout()
	return err
}

// queued reports whether success notifications are queued. That needs a database.
func (s *settings) queued(hasDatabase bool) (bool, error) {
	switch {
	case s.Reporting == "" || s.Reporting == "strict":
		return false, nil
	case s.Reporting != "queued":
		return false, keyError("reporting", "%q is neither \"strict\" nor \"queued\"", s.Reporting)
	case !hasDatabase:
		return false, keyError("reporting", "\"queued\" needs a database, and ca.json has no db")
	}
	return true, nil
}

// limiter returns what bounds the enrolments under way and their calls to Intune.
func (s *settings) limiter() (*limiter, error) {
	n := defaultMaxConcurrent
	if s.MaxConcurrent != nil {
		n = *s.MaxConcurrent
	}
	if n < 1 || n > maxEnrolments {
		return nil, keyError("maxConcurrent", "%d is not between 1 and %d", n, maxEnrolments)
	}
	return newLimiter(n), nil
}

// setNetwork sets the way to Microsoft.
func (s *settings) setNetwork(conf *intune.Config) (err error) {
	if err := s.Endpoints.check(); err != nil {
		return err
	}
	if s.AllowedServiceHosts != nil && len(s.AllowedServiceHosts) == 0 {
		return keyError("allowedServiceHosts", "is empty: leave it out, or name the hosts that may receive tokens")
	}
	if i := slices.IndexFunc(s.AllowedServiceHosts, notAHost); i >= 0 {
		return keyError("allowedServiceHosts", "%q is not a host name", s.AllowedServiceHosts[i])
	}
	if p := s.Proxy; p != nil {
		if conf.Proxy, err = intune.ProxyVia(p.URL, p.Username, p.PasswordFile); err != nil {
			return keyError("proxy", "%w", err)
		}
	}
	conf.TLS, err = s.TLS.config()
	return err
}

func notAHost(h string) bool { return h == "" || strings.ContainsAny(h, "/*@ ") }

func (s *settings) timeout() (time.Duration, error) {
	if s.Timeout == "" {
		return defaultTimeout, nil
	}
	d, err := time.ParseDuration(s.Timeout)
	switch {
	case err != nil:
		return 0, keyError("timeout", "%q is not a duration such as \"10s\"", s.Timeout)
	case d <= 0:
		return 0, keyError("timeout", "%q is not positive", s.Timeout)
	case d > maxTimeout:
		return 0, keyError("timeout", "%q is more than %s; step-ca ends every answer after 15s", s.Timeout, maxTimeout)
	}
	return d, nil
}

func (s *tlsSettings) config() (*tls.Config, error) {
	if s.RootCAs == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.RootCAs)
	if err != nil {
		return nil, keyError("tls.rootCAs", "%w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, keyError("tls.rootCAs", "%s holds no PEM certificate", s.RootCAs)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

func (s *endpointSettings) check() error {
	for _, e := range []struct{ key, value string }{{"login", s.Login}, {"graph", s.Graph}, {"intune", s.Intune}} {
		if e.value == "" {
			continue
		}
		u, err := url.Parse(e.value)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return keyError("endpoints."+e.key, "is not an https URL of scheme, host and path alone")
		}
	}
	return nil
}

// keyErr is a mistake in the `intune` object of some entry.
type keyErr struct {
	key string
	err error
}

func (e *keyErr) Error() string { return e.key + ": " + e.err.Error() }
func (e *keyErr) Unwrap() error { return e.err }

func keyError(key, format string, args ...any) error {
	return &keyErr{key: key, err: fmt.Errorf(format, args...)}
}

// under turns an error about a key of the `intune` object into one that names the entry.
func (r *rawEntry) under(err error) error {
	all := allOf(err)
	if len(all) != 1 {
		var wrong mistakes
		for _, err := range all {
			wrong.note(r.under(err))
		}
		return wrong.err()
	}
	err = all[0]
	var k *keyErr
	switch {
	case !errors.As(err, &k):
	case k.key == "":
		err = k.err
	default:
		return &configError{Provisioner: r.name, Key: "intune." + k.key, Err: k.err}
	}
	return &configError{Provisioner: r.name, Key: "intune", Err: err}
}
