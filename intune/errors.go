package intune

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Each error of a call matches at least one of these under errors.Is, save
// those about the call's own arguments, for which nothing was sent.
var (
	// ErrRefused: Intune was asked and said no. Asking again does not help.
	ErrRefused = errors.New("refused by Intune")
	// ErrUnavailable: no answer could be had, or none that can be
	// understood. A later call may succeed.
	ErrUnavailable = errors.New("no answer from Microsoft")
	// ErrUnauthorized: Microsoft does not accept the credential, or the
	// application lacks a permission. An administrator must act.
	ErrUnauthorized = errors.New("not authorized at Microsoft")
	// ErrServiceNotFound: Graph does not know the Intune service in this
	// tenant, or names an address that may not receive tokens.
	ErrServiceNotFound = errors.New("service not found")
	// ErrThrottled: Microsoft asked to slow down for longer than this call
	// could wait. Such an error is ErrUnavailable, too.
	ErrThrottled = errors.New("throttled by Microsoft")
)

// ServiceError is what went wrong with a call, for errors.As. No field holds a
// token, a secret or a challenge.
type ServiceError struct {
	// Kind is one of ErrRefused, ErrUnavailable, ErrUnauthorized,
	// ErrServiceNotFound and ErrThrottled.
	Kind error
	// Operation that failed: "token" (Microsoft Entra ID), "discovery"
	// (Graph), or one of Intune's, such as "validateRequest".
	Operation string
	// Code is Intune's code; empty unless Intune answered one. One that is
	// not known is shortened, without anything that looks secret.
	Code Code
	// Description is the service's own text, shortened to one line.
	Description string
	// Advice says what an administrator can do about it; empty when nobody
	// but Microsoft can do anything.
	Advice string
	// ActivityID is the client-request-id of the last attempt. Microsoft's
	// support asks for it.
	ActivityID string
	// TransactionID is the one that the call was made with.
	TransactionID string
	// StatusCode is the HTTP status of the last attempt, 0 without one.
	StatusCode int
	// RetryAfter is how long Microsoft asked to wait, 0 if it did not.
	RetryAfter time.Duration
	// Cause is the underlying error, for instance of the network; often nil.
	Cause error
}

// Error returns one line with everything known but the advice.
func (e *ServiceError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Operation, e.Kind)
	if e.Code != "" {
		fmt.Fprintf(&b, ": %s: %s", e.Code, e.Code.Explanation())
	}
	if e.Description != "" {
		fmt.Fprintf(&b, ": %s", e.Description)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	for _, d := range []struct{ key, value string }{
		{"status", statusText(e.StatusCode)},
		{"activity", e.ActivityID},
		{"transaction", quoted(e.TransactionID)},
	} {
		if d.value != "" {
			fmt.Fprintf(&b, ", %s %s", d.key, d.value)
		}
	}
	return b.String()
}

// Unwrap makes errors.Is find the kind and the cause.
func (e *ServiceError) Unwrap() []error {
	errs := make([]error, 0, 3)
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Kind == ErrThrottled {
		errs = append(errs, ErrUnavailable)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}

// LogValue groups the fields for slog.
func (e *ServiceError) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("operation", e.Operation)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if e.Kind != nil {
		add("kind", e.Kind.Error())
	}
	add("code", string(e.Code))
	add("description", e.Description)
	add("advice", e.Advice)
	add("activity", e.ActivityID)
	add("transaction", e.TransactionID)
	if e.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", e.StatusCode))
	}
	if e.RetryAfter != 0 {
		attrs = append(attrs, slog.Duration("retryAfter", e.RetryAfter))
	}
	if e.Cause != nil {
		add("err", e.Cause.Error())
	}
	return slog.GroupValue(attrs...)
}

func statusText(status int) string {
	if status == 0 {
		return ""
	}
	return fmt.Sprint(status)
}

// quoted makes text that a device chose safe to print.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%q", clip(s, 100))
}

var _ slog.LogValuer = (*ServiceError)(nil)
