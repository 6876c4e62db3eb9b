package intune

import "time"

// TokenExpiry returns until when the tokens for Graph and for Intune's API are
// used, a moment before they expire. They are renewed before that: a time that
// has passed means that renewals fail, or that there were no calls for long.
// It is zero for a token that no call has needed yet.
func (c *Client) TokenExpiry() (graph, intune time.Time) {
	return c.graphToken.expiry(), c.intuneToken.expiry()
}

// expiry returns until when the value is good, zero without one.
func (c *cache[T]) expiry() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return time.Time{}
	}
	return c.current.expires
}
