package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"
	"go.step.sm/crypto/jose"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// withStatic adds an ordinary SCEP provisioner.
func withStatic(_ map[string]any, o *harness.Options) {
	o.Provisioners = append(o.Provisioners, harness.SCEPEntry("static", "open sesame"))
}

func withoutDatabase(_ map[string]any, o *harness.Options) { o.Database = harness.NoDatabase }

// Promise 4: the same ca.json under stock step-ca issues nothing for the Intune
// provisioner.
func TestStockStepCAIssuesNothingForAnIntuneProvisioner(t *testing.T) {
	for name, edits := range map[string][]func(map[string]any, *harness.Options){
		"alone":                  nil,
		"beside an ordinary one": {withStatic},
		"with an elliptic CA":    {withStatic, func(_ map[string]any, o *harness.Options) { o.EllipticIntermediate = true }},
		"beside one without challenge": {func(_ map[string]any, o *harness.Options) {
			o.Provisioners = append(o.Provisioners, harness.SCEPEntry("static", ""))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, edits...)
			c := s.connect(intune)
			c.HTTP = s.ca.HTTP
			messages := map[string]*device.Message{
				"a genuine request": s.prepare(c, s.genuine("device-1")),
				"no challenge":      s.prepare(c, device.Windows("CN=device-2", "")),
				"an empty challenge": s.prepare(c, device.CSR{Subject: "CN=device-3", Attributes: []device.Attribute{
					device.ChallengePassword(12, nil)}}), // UTF8String
				"the other's challenge": s.prepare(c, device.Windows("CN=device-4", "open sesame")),
			}
			if _, err := s.ca.Stop(); err != nil {
				t.Fatal(err)
			}
			stock := s.startCA(harness.StepCA, s.ca.Authority)
			for name, m := range messages {
				for _, url := range []string{stock.SCEP(intune), stock.URL("/scep/" + intune)} {
					c.URL = url
					result, err := c.Send(t.Context(), m)
					if err != nil {
						// Stock step-ca sees no SCEP provisioner: it does not listen, or
						// answers 404 before it has read all of the message.
						if strings.Contains(err.Error(), "checking the SCEP answer") {
							t.Errorf("%s at %s: %v", name, url, err)
						}
						continue
					}
					if result.Certificate != nil || result.HTTPStatus < 400 {
						t.Errorf("%s at %s got %s", name, url, describe(result))
					}
				}
			}
		})
	}
}

// Promise 4: no certificate of an Intune provisioner becomes another one without
// Intune, neither here nor under stock step-ca. A certificate of a JWK provisioner
// shows that each door exists.
func TestNoDoorTurnsACertificateIntoAnother(t *testing.T) {
	jwk, err := jose.GenerateJWK("EC", "P-256", jose.ES256, "sig", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	withJWK := func(_ map[string]any, o *harness.Options) {
		o.Provisioners = append(o.Provisioners, map[string]any{"type": "JWK", "name": "operator", "key": jwk.Public()})
	}
	for name, edits := range map[string][]func(map[string]any, *harness.Options){
		"with badger":        {withJWK},
		"without a database": {withJWK, withoutDatabase},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, edits...)
			key, fresh := device.Keys(2)[0], device.Keys(2)[1]

			c := s.connect(intune)
			csr := s.genuine("device-1")
			csr.Key = key
			approved := s.send(c, s.prepare(c, csr))
			if approved.Certificate == nil {
				t.Fatalf("got %s", describe(approved))
			}
			ordinary := s.sign(jwk, key)
			s.doors(ordinary, approved.Certificate, key, fresh)

			if _, err := s.ca.Stop(); err != nil {
				t.Fatal(err)
			}
			s.ca = s.startCA(harness.StepCA, s.ca.Authority)
			s.doors(ordinary, approved.Certificate, key, fresh)
		})
	}
}

// doors checks that each of step-ca's ways from one certificate to another is open
// to an ordinary certificate and closed to one that Intune approved.
func (s *site) doors(ordinary, approved *x509.Certificate, key, fresh *rsa.PrivateKey) {
	s.Helper()
	for door, open := range map[string]func(*x509.Certificate) *http.Request{
		"/renew":          func(*x509.Certificate) *http.Request { return s.post("/renew", nil) },
		"/1.0/renew":      func(*x509.Certificate) *http.Request { return s.post("/1.0/renew", nil) },
		"/rekey":          func(c *x509.Certificate) *http.Request { return s.post("/rekey", rekey(s.T, c, fresh)) },
		"a renewal token": func(c *x509.Certificate) *http.Request { return s.renewalToken(c, key) },
	} {
		if status, body := s.do(open(ordinary), ordinary, key); status != http.StatusCreated {
			s.Errorf("%s is closed for everybody: %d %s", door, status, body)
		}
		status, body := s.do(open(approved), approved, key)
		if status < 400 || strings.Contains(body, "BEGIN CERTIFICATE") {
			s.Errorf("%s is open: %d %s", door, status, body)
		}
	}
}

// An Intune entry cannot be reached by the ordinary one's challenge or by none.
func TestOnlyIntunesChallengesOpenAnIntuneProvisioner(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic)
	c := s.connect(intune)
	renewal, err := device.Windows("CN=device-1", "").Build()
	if err != nil {
		t.Fatal(err)
	}
	renewal.MessageType = scep.RenewalReq
	m, err := c.Prepare(renewal)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*device.Message{
		"no challenge":              s.prepare(c, device.Windows("CN=device-1", "")),
		"the static challenge":      s.prepare(c, device.Windows("CN=device-1", "open sesame")),
		"a renewal without any":     m,
		"an empty UTF8String":       s.prepare(c, device.CSR{Subject: "CN=device-1", Attributes: []device.Attribute{device.ChallengePassword(12, nil)}}),
		"a challenge of a stranger": s.prepare(c, device.Windows("CN=device-1", strings.Repeat("QUJD", 600))),
	} {
		if result := s.send(c, m); result.Status != scep.FAILURE || result.Certificate != nil {
			t.Errorf("%s got %s", name, describe(result))
		}
	}
}

func (s *site) post(path string, body []byte) *http.Request {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.ca.URL(path), bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// sign gets an ordinary certificate for localhost through the JWK provisioner.
func (s *site) sign(jwk *jose.JSONWebKey, key *rsa.PrivateKey) *x509.Certificate {
	s.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk.Key},
		new(jose.SignerOptions).WithType("JWT").WithHeader("kid", jwk.KeyID))
	if err != nil {
		s.Fatal(err)
	}
	now := time.Now()
	token, err := jose.Signed(signer).Claims(jose.Claims{
		ID:        rand.Text(),
		Issuer:    "operator",
		Subject:   "localhost",
		Audience:  jose.Audience{s.ca.URL("/1.0/sign")},
		IssuedAt:  jose.NewNumericDate(now),
		NotBefore: jose.NewNumericDate(now),
		Expiry:    jose.NewNumericDate(now.Add(5 * time.Minute)),
	}).Claims(map[string]any{"sans": []string{"localhost"}}).CompactSerialize()
	if err != nil {
		s.Fatal(err)
	}
	r, err := device.CSR{Subject: "CN=localhost", SANs: []device.SAN{device.DNS("localhost")}, Key: key}.Build()
	if err != nil {
		s.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{
		"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: r.DER})),
		"ott": token,
	})
	if err != nil {
		s.Fatal(err)
	}
	status, text := s.do(s.post("/1.0/sign", body), nil, nil)
	if status != http.StatusCreated {
		s.Fatalf("signing for the operator: %d %s", status, text)
	}
	var answer struct{ Crt string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		s.Fatal(err)
	}
	block, _ := pem.Decode([]byte(answer.Crt))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// rekey is the body of a rekey request: a certificate request for the same name
// with another key.
func rekey(t *testing.T, c *x509.Certificate, key *rsa.PrivateKey) []byte {
	t.Helper()
	r, err := device.CSR{RawSubject: c.RawSubject, Key: key}.Build()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: r.DER})
	body, err := json.Marshal(map[string]string{"csr": string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// renewalToken is what `step ca renew --mtls=false` sends: a token signed with
// the certificate's key, which step-ca takes even when the certificate has expired.
func (s *site) renewalToken(c *x509.Certificate, key *rsa.PrivateKey) *http.Request {
	s.Helper()
	options := new(jose.SignerOptions).WithType("JWT").
		WithHeader("x5cInsecure", [][]byte{c.Raw, s.ca.Intermediate.Raw})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		s.Fatal(err)
	}
	now := time.Now()
	token, err := jose.Signed(signer).Claims(jose.Claims{
		ID:        rand.Text(),
		Issuer:    "step-ca-client/1.0",
		Subject:   c.Subject.CommonName,
		Audience:  jose.Audience{s.ca.URL("/renew")},
		IssuedAt:  jose.NewNumericDate(now),
		NotBefore: jose.NewNumericDate(now),
		Expiry:    jose.NewNumericDate(now.Add(5 * time.Minute)),
	}).CompactSerialize()
	if err != nil {
		s.Fatal(err)
	}
	r := s.post("/renew", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// do sends a request, with a client certificate unless it carries a token.
func (s *site) do(r *http.Request, c *x509.Certificate, key *rsa.PrivateKey) (status int, body string) {
	s.Helper()
	config := &tls.Config{RootCAs: s.ca.Roots()}
	if c != nil && r.Header.Get("Authorization") == "" {
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{c.Raw, s.ca.Intermediate.Raw}, PrivateKey: key}}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 30 * time.Second}
	answer, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
