package intune

import (
	"context"
	"log/slog"
	"time"
)

// Attempt is one request to Microsoft, as Config.Observer sees it.
type Attempt struct {
	// Operation is "token" (one acquisition, which may take two requests),
	// "discovery", or one of Intune's, such as "validateRequest".
	Operation string
	// Number counts the attempts of one call, from 1.
	Number int
	// Duration is the time it took.
	Duration time.Duration
	// StatusCode is the HTTP status, 0 when there was no answer.
	StatusCode int
	// Code is Intune's code, empty when it gave none.
	Code Code
	// ActivityID is the attempt's client-request-id.
	ActivityID string
	// TransactionID is the call's, empty for token and discovery.
	TransactionID string
	// Retrying says whether another attempt is to follow. There is none after
	// all when the caller leaves, or when a token or an address for it cannot
	// be had.
	Retrying bool
	// Err is nil when the attempt succeeded.
	Err error
}

// observe tells observer and log about an attempt.
func (c *Client) observe(ctx context.Context, a Attempt) {
	if c.observer != nil {
		c.observer(ctx, a)
	}
	level, text := slog.LevelDebug, "asked Microsoft"
	if a.Retrying {
		level, text = slog.LevelWarn, "asking Microsoft again"
	}
	if !c.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("operation", a.Operation),
		slog.Int("attempt", a.Number),
		slog.Duration("duration", a.Duration),
		slog.Int("status", a.StatusCode),
		slog.String("activity", a.ActivityID),
	}
	if a.TransactionID != "" {
		attrs = append(attrs, slog.String("transaction", a.TransactionID))
	}
	if a.Code != "" {
		attrs = append(attrs, slog.String("code", string(a.Code)))
	}
	if a.Err != nil {
		attrs = append(attrs, slog.String("err", a.Err.Error()))
	}
	c.log.LogAttrs(ctx, level, text, attrs...)
}
