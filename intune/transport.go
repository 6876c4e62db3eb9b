package intune

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxConns bounds the connections to one host. HTTP/2 needs one for everybody:
// without a bound each of many first callers would begin a handshake of its
// own. With HTTP/1.1 it bounds the calls at once, and the others wait.
const maxConns = 32

// newTransport returns the one transport of a client. Its connections are kept
// and shared: an idle one costs less than a handshake for each enrolment.
func newTransport(cfg *Config) (*http.Transport, error) {
	conf, err := tlsConfig(cfg.TLS)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  discreetProxy(cfg.Proxy),
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           128,
		MaxIdleConnsPerHost:    maxConns,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// A connection that went dead without a word is noticed within the
		// default timeout. The answer to a ping may take a while: losing the
		// connection ends every call on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 4 * time.Second, PingTimeout: 5 * time.Second},
	}, nil
}

// noRedirects makes a redirect an answer like any other: a bearer token or an
// application secret never follows one.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func tlsConfig(own *tls.Config) (*tls.Config, error) {
	if own == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	if own.InsecureSkipVerify {
		return nil, errors.New("tls: InsecureSkipVerify is not allowed")
	}
	if own.MaxVersion != 0 && own.MaxVersion < tls.VersionTLS12 {
		return nil, errors.New("tls: TLS 1.2 at least is needed")
	}
	conf := own.Clone()
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	return conf, nil
}

// discreetProxy keeps the address of a proxy, which may hold a password, out
// of errors: net/url and net/http put it there when it cannot be parsed.
func discreetProxy(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	return func(r *http.Request) (*url.URL, error) {
		u, err := choose(r)
		var own proxyError
		if errors.As(err, &own) {
			return nil, own
		}
		if err != nil {
			return nil, errors.New("the proxy's address is not valid")
		}
		return u, nil
	}
}

// proxyError is an error about a proxy that is known to hold no secret.
type proxyError struct{ error }

// ProxyVia returns a value for Config.Proxy: every request goes through the
// proxy at address, an http, https or socks5 URL without user. With a
// username the password is read from passwordFile whenever a connection is
// made, so that a changed file needs no restart.
func ProxyVia(address, username, passwordFile string) (func(*http.Request) (*url.URL, error), error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("proxy: the address is not a URL")
	case u.User != nil:
		return nil, errors.New("proxy: the address must hold no user and no password")
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		return nil, fmt.Errorf("proxy: %q is not an http, https or socks5 URL", address)
	case username == "" && passwordFile != "":
		return nil, errors.New("proxy: a password file needs a username")
	}
	if username == "" {
		return http.ProxyURL(u), nil
	}
	choose := func(*http.Request) (*url.URL, error) {
		var password Secret
		if passwordFile != "" {
			var err error
			if password, err = readSecretFile(passwordFile); err != nil {
				return nil, proxyError{fmt.Errorf("reading the proxy's password: %w", err)}
			}
		}
		with := *u
		with.User = url.UserPassword(username, string(password))
		return &with, nil
	}
	if _, err := choose(nil); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return choose, nil
}

// errTooLarge is the error of a body beyond its limit.
var errTooLarge = errors.New("the answer is larger than allowed")

// readBody reads and closes a body of at most limit bytes.
func readBody(body io.ReadCloser, limit int64) ([]byte, error) {
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, nil
}
