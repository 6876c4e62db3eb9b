package intune

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// loginClient is the HTTP client that MSAL uses. MSAL sends the credential to
// the address that the authority's openid-configuration names: this keeps it
// on the authority's own host, and bounds what MSAL reads.
type loginClient struct {
	http  *http.Client
	host  string // of the authority, with port
	agent string
}

// maxLoginBody bounds an answer of Microsoft Entra ID, in bytes.
const maxLoginBody = 1 << 20

var errForeignLogin = errors.New("the authority names an address on another host")

func (c *loginClient) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || !strings.EqualFold(req.URL.Host, c.host) {
		return nil, fmt.Errorf("%w: %q", errForeignLogin, clip(req.URL.Host, 200))
	}
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", c.agent)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	res.Body = &limitedBody{ReadCloser: res.Body, left: maxLoginBody}
	return res, nil
}

func (c *loginClient) CloseIdleConnections() { c.http.CloseIdleConnections() }

// limitedBody fails instead of ending early when the body is too large.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// useCredential checks the credential and keeps its source of tokens.
func (c *Client) useCredential(cfg Config) error {
	l := login{clientID: cfg.ClientID}
	if _, c.managed = cfg.Credential.(managedIdentity); c.managed {
		l.direct = directClient(cfg.base)
	} else {
		u, err := url.Parse(c.endpoints.Login)
		if err != nil {
			return fmt.Errorf("endpoints.login: %w", err)
		}
		l.authority = u.JoinPath(cfg.Tenant).String()
		l.http = &loginClient{http: c.http, host: u.Host, agent: c.callerInfo}
	}
	source, err := cfg.Credential.source(l)
	if err != nil {
		return fmt.Errorf("credential: %w", err)
	}
	c.source = source
	return nil
}
