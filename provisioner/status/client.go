package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// ErrNoListener: nobody listens at the address.
var ErrNoListener = errors.New("no listener")

// maxAnswer bounds an answer. A report takes some 400 bytes in the list.
const maxAnswer = 256 << 20

// Client asks the listener of a CA on this machine.
type Client struct {
	address string
	http    *http.Client
}

// NewClient returns a client of the listener at an address, as it stands in ca.json. A
// listener at all addresses is asked over the loopback interface.
func NewClient(address string) *Client {
	if host, port, err := net.SplitHostPort(address); err == nil {
		ip, err := netip.ParseAddr(host)
		switch {
		case host == "", err == nil && ip.Unmap() == netip.IPv4Unspecified():
			address = net.JoinHostPort("127.0.0.1", port)
		case err == nil && ip.IsUnspecified():
			address = net.JoinHostPort("::1", port)
		}
	}
	return &Client{address: address, http: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // and without the proxy of the environment
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Page returns what /status tells.
func (c *Client) Page(ctx context.Context) (*Page, error) {
	p := &Page{}
	return p, c.ask(ctx, http.MethodGet, p, "status")
}

// Reports returns all reports, the oldest first.
func (c *Client) Reports(ctx context.Context) ([]report.Summary, error) {
	var l List
	err := c.ask(ctx, http.MethodGet, &l, "reports")
	return l.Reports, err
}

// Report returns one report.
func (c *Client) Report(ctx context.Context, id string) (*report.Detail, error) {
	d := &report.Detail{}
	return d, c.ask(ctx, http.MethodGet, d, "reports", id)
}

// Retry makes a report due now.
func (c *Client) Retry(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodPost, &done{}, "reports", id, "retry")
}

// Drop removes a report for good.
func (c *Client) Drop(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodPost, &done{}, "reports", id, "drop")
}

// ask sends a request and reads the answer into body.
func (c *Client) ask(ctx context.Context, method string, body any, path ...string) error {
	target := "http://" + c.address
	for _, part := range path {
		target += "/" + url.PathEscape(part)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return fmt.Errorf("%q is not an address: %w", c.address, err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(r)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return fmt.Errorf("%w at %s: %w", ErrNoListener, c.address, dial.Err)
		}
		return fmt.Errorf("asking %s: %w", c.address, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", c.address, err)
	}
	if res.StatusCode != http.StatusOK {
		var no refusal
		if json.Unmarshal(text, &no) != nil || no.Error == "" {
			return fmt.Errorf("%s answers %s: it is not a status listener of step-ca-intune", c.address, res.Status)
		}
		return errors.New(no.Error)
	}
	if err := json.Unmarshal(text, body); err != nil {
		return fmt.Errorf("%s is not a status listener of step-ca-intune: %w", c.address, err)
	}
	return nil
}
