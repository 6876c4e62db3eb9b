package intune

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// operation is one of Intune's.
type operation struct {
	name, service, path, version string
	limit                        int64 // of the answer, in bytes
}

// Receipt tells how a call went, as far as that is known on errors, too.
type Receipt struct {
	// ActivityID is the client-request-id of the last request that carried
	// the call. Microsoft's support asks for it. Empty when none was sent.
	ActivityID string
	// Attempts is the number of these requests.
	Attempts int
}

// call sends one message to Intune and lets read judge the body of a 200. hide, which may
// be nil, returns the secrets in the message, should Intune repeat them.
func (c *Client) call(ctx context.Context, op operation, transaction string, message any, read func([]byte) outcome, hide func() []string) (Receipt, error) {
	var receipt Receipt
	body, err := json.Marshal(message)
	if err != nil {
		return receipt, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()

	var refused *entry[string] // token
	err = c.retry(ctx, op.name, transaction, c.gates.of(op.service), func(ctx context.Context) outcome {
		address, where, err := c.locate(ctx, op.service)
		if err != nil {
			return outcome{unsent: shareError(err, op, transaction)}
		}
		t, err := c.intuneToken.after(ctx, refused)
		if err != nil {
			return outcome{unsent: shareError(err, op, transaction)}
		}
		secrets := func() []string {
			if hide == nil {
				return []string{t.value}
			}
			return append([]string{t.value}, hide()...)
		}
		r := c.send(ctx, request{
			method: http.MethodPost, url: address.JoinPath(op.path).String(),
			token: t.value, version: op.version, body: body, limit: op.limit, hide: secrets,
		})
		receipt.ActivityID = r.activity
		receipt.Attempts++

		o := r.outcome(ctx)
		switch {
		case r.err == nil && r.status == http.StatusOK:
			o = read(r.body)
			o.status, o.activity = r.status, r.activity
			if o.err != nil {
				hidden := secrets()
				o.err.Description = redact(o.err.Description, hidden...)
				o.err.Code = o.err.Code.fit(hidden...)
				o.code = o.err.Code
			}
		case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
			// A token from before the grant lacks the permission for the
			// whole of its life: once, a new one is tried.
			if refused == nil {
				refused, o.verdict = t, renewed
			}
			o.err.Kind = ErrUnauthorized
			o.err.Advice = "Grant the application the permission scep_challenge_provider of the Microsoft Intune API, with admin consent."
		case r.status == http.StatusNotFound:
			// The service has moved to another scale unit.
			c.location.drop(where)
			o.verdict = passing
		case r.status >= 500, r.err != nil && ctx.Err() == nil:
			c.location.doubt(where)
		}
		return o
	})
	return receipt, err
}

// shareError makes the error of a token or a look-up, which all waiting
// callers share, one of this call.
func shareError(err error, op operation, transaction string) error {
	var shared *ServiceError
	if errors.As(err, &shared) {
		own := *shared
		own.TransactionID = transaction
		return &own
	}
	return &ServiceError{
		Kind: ErrUnavailable, Operation: op.name, TransactionID: transaction,
		Description: "waiting for a token or the service's address", Cause: err,
	}
}
