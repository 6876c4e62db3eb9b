package intune

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"
)

// tokenCache returns the cache of the token for one scope.
func (c *Client) tokenCache(scope string) *cache[string] {
	return &cache[string]{
		timeout: c.timeout, log: c.log,
		load: func(ctx context.Context) (*entry[string], error) { return c.loadToken(ctx, scope) },
	}
}

func (c *Client) loadToken(ctx context.Context, scope string) (*entry[string], error) {
	var got *entry[string]
	err := c.retry(ctx, "token", "", &c.gates.login, func(ctx context.Context) outcome {
		share, cancel := c.shareOf(ctx)
		defer cancel()
		t, hide, err := c.source.acquire(share, scope)
		if err != nil {
			return tokenOutcome(ctx, err, hide, c.managed)
		}
		got = newTokenEntry(t, time.Now())
		return outcome{status: http.StatusOK}
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// newTokenEntry plans the renewal when Entra ID did not: 5 minutes, or a
// quarter of the lifetime, before the end. The last moments are not used, so
// that a token does not expire on its way.
func newTokenEntry(t token, now time.Time) *entry[string] {
	expires, renew := t.expires.Round(0), t.renew.Round(0)
	life := expires.Sub(now)
	if renew.IsZero() || !renew.Before(expires) {
		renew = expires.Add(-min(5*time.Minute, life/4))
	}
	// A tiny refresh_in must not make every call ask for a token.
	if soonest := now.Add(min(time.Minute, life/2)); renew.Before(soonest) {
		renew = soonest
	}
	return &entry[string]{value: t.value, renew: renew, expires: expires.Add(-min(10*time.Second, life/10))}
}

// tokenOutcome explains why no token could be had. MSAL's errors hold whole
// bodies, which may hold tokens: none of their text is passed on unseen.
func tokenOutcome(ctx context.Context, err error, hide []string, managed bool) outcome {
	var (
		local *credentialError
		call  msal.CallErr
		bad   msal.InvalidJsonErr
		net   *url.Error
	)
	unavailable := func(text string, cause error, v verdict) outcome {
		return outcome{err: &ServiceError{Kind: ErrUnavailable, Description: text, Cause: cause}, verdict: v}
	}
	switch {
	case errors.As(err, &local):
		return outcome{err: &ServiceError{
			Kind: ErrUnauthorized, Cause: newCause(local.err, hide...),
			Advice: "Check the credential in the configuration and that this process may use it.",
		}}
	case errors.As(err, &call) && call.Resp != nil:
		return answeredOutcome(call, hide, managed)
	case errors.As(err, &bad):
		return unavailable("the answer is not what MSAL expects", nil, final)
	case errors.Is(err, errForeignLogin), errors.Is(err, errTooLarge):
		return unavailable(redact(err.Error(), hide...), nil, final)
	case ctx.Err() != nil:
		return unavailable("", context.Cause(ctx), final)
	case errors.As(err, &net):
		return unavailable("", newCause(net, hide...), networkVerdict(net))
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable("no answer in time", nil, passing)
	}
	return unavailable(redact(err.Error(), hide...), nil, final)
}

// answeredOutcome is for an answer other than 200.
func answeredOutcome(call msal.CallErr, hide []string, managed bool) outcome {
	body, _ := io.ReadAll(io.LimitReader(call.Resp.Body, maxLoginBody))
	status := call.Resp.StatusCode
	o := outcome{status: status, err: &ServiceError{Kind: ErrUnavailable}}
	if call.Req != nil {
		o.activity = call.Req.Header.Get("client-request-id")
	}
	f := parseLoginFault(body)
	o.err.Description = redact(f.text(), hide...)
	o.err.RetryAfter = parseRetryAfter(call.Resp.Header.Get("Retry-After"), time.Now())
	switch {
	case status == http.StatusTooManyRequests:
		o.err.Kind, o.verdict = ErrThrottled, passing
	case isPassing(status), managed && (status == http.StatusNotFound || status == http.StatusGone):
		// The identity endpoint of a virtual machine answers 404 and 410
		// while it is being updated.
		o.verdict = passing
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden:
		o.err.Kind, o.err.Advice = ErrUnauthorized, f.advice(managed)
	}
	return o
}

// refusesCredential tells a refusal from a fault of network or service.
func refusesCredential(err error) bool {
	var call msal.CallErr
	return errors.As(err, &call) && call.Resp != nil &&
		(call.Resp.StatusCode == http.StatusBadRequest || call.Resp.StatusCode == http.StatusUnauthorized)
}
