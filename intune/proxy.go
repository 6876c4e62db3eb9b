package intune

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

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
		hideProxy(r.Context(), u)
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
	case strings.Contains(address, "@"):
		return nil, errors.New("proxy: the address must hold no user and no password")
	case err != nil:
		return nil, errors.New("proxy: the address is not a URL")
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		return nil, errors.New("proxy: the address is not an http, https or socks5 URL")
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

// discreetTransport keeps the password of a proxy out of its errors: net/http
// repeats in them the line with which a proxy refuses.
type discreetTransport struct{ *http.Transport }

// proxySecrets is the key of a *[]string that belongs to one request.
type proxySecrets struct{}

// RoundTrip does one request.
func (t *discreetTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	var hide []string
	res, err := t.Transport.RoundTrip(r.WithContext(context.WithValue(r.Context(), proxySecrets{}, &hide)))
	if err != nil && len(hide) > 0 {
		err = newCause(err, hide...)
	}
	return res, err
}

// hideProxy notes what is secret about the proxy of a request.
func hideProxy(ctx context.Context, u *url.URL) {
	hide, ok := ctx.Value(proxySecrets{}).(*[]string)
	if !ok || u == nil || u.User == nil {
		return
	}
	if password, ok := u.User.Password(); ok {
		login := u.User.Username() + ":" + password
		*hide = append(*hide, base64.StdEncoding.EncodeToString([]byte(login)), password)
	}
}
