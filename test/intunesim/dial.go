package intunesim

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Control steers a simulator in another process through its /_sim/ requests.
// Its methods are those of [Server], with errors of the connection added.
type Control struct {
	url    string
	client *http.Client
}

// Dial returns a control for the simulator at url, as its ready line names it,
// whose root is in rootFile. Nothing is sent yet.
func Dial(url, rootFile string) (*Control, error) {
	data, err := os.ReadFile(rootFile)
	if err != nil {
		return nil, fmt.Errorf("reading the simulator's root: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%q holds no PEM", rootFile)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing the simulator's root: %w", err)
	}
	return &Control{url: strings.TrimRight(url, "/"), client: clientTrusting(root)}, nil
}

// URL is the simulator's address.
func (c *Control) URL() string { return c.url }

// HTTPClient returns the control's client, which trusts the simulator.
func (c *Control) HTTPClient() *http.Client { return c.client }

// NewChallenge makes a challenge.
func (c *Control) NewChallenge(ch Challenge) (string, error) {
	var out challengeAnswer
	err := c.do(http.MethodPost, "challenges", ch, &out)
	return out.Challenge, err
}

// AddFault queues a fault. Its Reached, Hold and Gone cannot be used here.
func (c *Control) AddFault(f Fault) error {
	if f.Reached != nil || f.Hold != nil || f.Gone != nil {
		return errors.New("a fault's Reached, Hold and Gone work in the simulator's own process only")
	}
	return c.do(http.MethodPost, "faults", f, nil)
}

// ClearFaults ends all faults.
func (c *Control) ClearFaults() error { return c.do(http.MethodDelete, "faults", nil, nil) }

// Requests returns the remembered calls, oldest first.
func (c *Control) Requests() (all []Request, err error) {
	err = c.do(http.MethodGet, "requests", nil, &all)
	return all, err
}

// ClearRequests forgets the remembered calls.
func (c *Control) ClearRequests() error { return c.do(http.MethodDelete, "requests", nil, nil) }

// Stats returns the counters.
func (c *Control) Stats() (stats Stats, err error) {
	err = c.do(http.MethodGet, "stats", nil, &stats)
	return stats, err
}

// Certificates lists what was reported.
func (c *Control) Certificates() (all []Certificate, err error) {
	err = c.do(http.MethodGet, "certificates", nil, &all)
	return all, err
}

// Revoke asks for a revocation and returns its RequestContext.
func (c *Control) Revoke(r Revocation) (string, error) {
	var out revocationAnswer
	err := c.do(http.MethodPost, "revocations", revocationBody{r.SerialNumber, r.IssuerName, r.CAConfiguration}, &out)
	return out.RequestContext, err
}

// Revocations lists the revocation requests and their uploaded results.
func (c *Control) Revocations() (all []Revocation, err error) {
	err = c.do(http.MethodGet, "revocations", nil, &all)
	return all, err
}

// Untarget says that the profile no longer targets the device.
func (c *Control) Untarget(deviceID string) error {
	return c.do(http.MethodPost, "untarget", untargetBody{deviceID}, nil)
}

// Remove deletes a device, a user or a certificate request from Intune.
func (c *Control) Remove(r Removal) error { return c.do(http.MethodPost, "remove", r, nil) }

// SetSecrets replaces the application's secrets.
func (c *Control) SetSecrets(valid, expired []string) error {
	return c.do(http.MethodPost, "secrets", secretsBody{valid, expired}, nil)
}

// SetCertificates replaces the application's registered certificates.
func (c *Control) SetCertificates(certificates ...*x509.Certificate) error {
	body := credentialsBody{Certificates: []string{}}
	for _, certificate := range certificates {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}
		body.Certificates = append(body.Certificates, string(pem.EncodeToMemory(block)))
	}
	return c.do(http.MethodPost, "credentials", body, nil)
}

// SetFederations replaces the application's federated credentials.
func (c *Control) SetFederations(federations ...Federation) error {
	body := credentialsBody{Federations: []federationBody{}}
	for _, f := range federations {
		der, err := x509.MarshalPKIXPublicKey(f.Key)
		if err != nil {
			return fmt.Errorf("encoding a federation's key: %w", err)
		}
		encoded := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		body.Federations = append(body.Federations, federationBody{f.Issuer, f.Subject, f.Audience, encoded})
	}
	return c.do(http.MethodPost, "credentials", body, nil)
}

// SetTokens changes the access tokens that are handed out from now on.
func (c *Control) SetTokens(t Tokens) error {
	body := tokensBody{duration(t.Lifetime), duration(t.RefreshIn), t.IntuneRoles, t.GraphRoles}
	return c.do(http.MethodPost, "tokens", body, nil)
}

// SetServices replaces Graph's list of services, or restores it when list is nil.
func (c *Control) SetServices(list []Service, pageSize int) error {
	return c.do(http.MethodPost, "services", servicesBody{list, pageSize}, nil)
}

// Advance moves the simulator's clock.
func (c *Control) Advance(d time.Duration) error {
	return c.do(http.MethodPost, "clock", clockBody{duration(d)}, nil)
}

// do sends one control request; in and out may be nil.
func (c *Control) do(method, name string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", name, err)
		}
		body = bytes.NewReader(data)
	}
	// The client has a time-out, so the context need not.
	req, err := http.NewRequestWithContext(context.Background(), method, c.url+"/_sim/"+name, body)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", name, err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		var refused controlError
		if json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&refused) != nil {
			return fmt.Errorf("asking for %s: %s", name, resp.Status)
		}
		return fmt.Errorf("asking for %s: %s", name, refused.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}
