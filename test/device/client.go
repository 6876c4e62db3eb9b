package device

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/smallstep/scep"
)

// maxAnswer limits what is read of an answer; real ones have a few kilobytes.
const maxAnswer = 1 << 20

// Client speaks SCEP with one server. Copies of it may differ in the fields, so
// that several kinds of devices can share one. Any number of goroutines may use it.
type Client struct {
	// URL is the server's, such as http://127.0.0.1:8080/scep/intune.
	URL string

	// HTTP makes the requests; nil means a client with a time-out of 30 seconds and a
	// connection of its own for each request.
	HTTP *http.Client

	// PKIClientExe adds /pkiclient.exe to the URL, as Windows does.
	PKIClientExe bool

	// UseGET sends messages in the URL of a GET instead of the body of a POST,
	// as old clients do (RFC 8894 section 4.1).
	UseGET bool

	// CA holds the certificates that the server gave for GetCACert.
	CA []*x509.Certificate

	// Capabilities holds the lines that it gave for GetCACaps.
	Capabilities []string
}

// defaultHTTP keeps no connections: a POST on one that the server is just closing, as at a
// reload, fails and is not repeated by net/http.
var defaultHTTP = &http.Client{Timeout: 30 * time.Second, Transport: unkept()}

func unkept() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return t
}

// Connect asks the server at url for its capabilities and certificates.
func Connect(ctx context.Context, url string, httpClient *http.Client) (*Client, error) {
	c := &Client{URL: url, HTTP: httpClient}
	status, caps, err := c.do(ctx, http.MethodGet, "GetCACaps", nil)
	if err != nil {
		return nil, fmt.Errorf("asking for capabilities: %w", err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("asking for capabilities: status %d: %q", status, caps)
	}
	c.Capabilities = strings.Fields(string(caps))
	status, certs, err := c.do(ctx, http.MethodGet, "GetCACert", nil)
	if err != nil {
		return nil, fmt.Errorf("asking for certificates: %w", err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("asking for certificates: status %d: %q", status, certs)
	}
	if c.CA, err = parseCertificates(certs); err != nil {
		return nil, fmt.Errorf("reading the CA's certificates: %w", err)
	}
	return c, nil
}

// parseCertificates reads one certificate or a degenerate PKCS #7 with several,
// RFC 8894 section 4.2.1.
func parseCertificates(der []byte) ([]*x509.Certificate, error) {
	if c, err := x509.ParseCertificate(der); err == nil {
		return []*x509.Certificate{c}, nil
	}
	return scep.CACerts(der)
}

// Send sends a message and checks the answer. A refusal is a result, not an
// error; so is an answer that is not SCEP at all, whose result has no Status.
// An error means that there was no answer, or one that a device must not trust.
func (c *Client) Send(ctx context.Context, m *Message) (*Result, error) {
	result, err := c.Exchange(ctx, m)
	if err == nil {
		err = c.Check(m, result)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// Exchange sends a message and returns the answer as it came, with HTTPStatus and
// Body alone, for benchmarks that have Check read it later.
func (c *Client) Exchange(ctx context.Context, m *Message) (*Result, error) {
	method := http.MethodPost
	if c.UseGET {
		method = http.MethodGet
	}
	status, body, err := c.do(ctx, method, "PKIOperation", m.DER)
	if err != nil {
		return nil, fmt.Errorf("sending the SCEP message: %w", err)
	}
	return &Result{HTTPStatus: status, Body: body}, nil
}

// Check checks an answer to a message and fills in what it says.
func (c *Client) Check(m *Message, r *Result) error {
	if r.HTTPStatus != http.StatusOK {
		return nil
	}
	if err := r.read(m, c.CA); err != nil {
		return fmt.Errorf("checking the SCEP answer: %w", err)
	}
	return nil
}

// Enrol builds, prepares and sends, for callers that need no step in between.
func (c *Client) Enrol(ctx context.Context, csr CSR) (*Result, error) {
	r, err := csr.Build()
	if err != nil {
		return nil, err
	}
	m, err := c.Prepare(r)
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, m)
}

func (c *Client) do(ctx context.Context, method, operation string, message []byte) (status int, body []byte, err error) {
	target := strings.TrimSuffix(c.URL, "/")
	if c.PKIClientExe {
		target += "/pkiclient.exe"
	}
	query := url.Values{"operation": {operation}}
	var requestBody io.Reader
	switch {
	case message == nil:
	case method == http.MethodGet:
		query.Set("message", base64.StdEncoding.EncodeToString(message))
	default:
		requestBody = bytes.NewReader(message)
	}
	r, err := http.NewRequestWithContext(ctx, method, target+"?"+query.Encode(), requestBody)
	if err != nil {
		return 0, nil, err
	}
	if requestBody != nil {
		r.Header.Set("Content-Type", "application/x-pki-message")
	}
	client := c.HTTP
	if client == nil {
		client = defaultHTTP
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer: %w", err)
	}
	return answer.StatusCode, body, nil
}
