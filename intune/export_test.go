package intune

import "net/http"

// WithTransport lets external tests stand between client and network.
func WithTransport(cfg Config, base http.RoundTripper) Config {
	cfg.base = base
	return cfg
}
