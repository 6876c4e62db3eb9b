package intune_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// hiddenKey shows nothing of a key but what a token in hardware would.
type hiddenKey struct{ signer crypto.Signer }

func (k hiddenKey) Public() crypto.PublicKey { return k.signer.Public() }
func (k hiddenKey) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.signer.Sign(random, digest, o)
}

func newKey(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "RSA 2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "P-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func selfSigned(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "application"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func validate(t *testing.T, client *intune.Client, csr []byte) error {
	t.Helper()
	_, err := client.ValidateRequest(t.Context(), "tx", csr)
	return err
}

func TestACertificateWhoseKeyStaysHiddenIsACredential(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	for _, kind := range []string{"RSA 2048", "P-256"} {
		t.Run(kind, func(t *testing.T) {
			key := newKey(t, kind)
			cert, other := selfSigned(t, key), selfSigned(t, newKey(t, "P-256"))
			cfg := simConfig(sim)
			cfg.Credential = intune.ClientCertificate([]*x509.Certificate{other, cert}, hiddenKey{key})
			client := newClient(t, cfg)

			sim.SetCertificates(other)
			err := validate(t, client, csr)
			if !errors.Is(err, intune.ErrUnauthorized) || !strings.Contains(err.Error(), "AADSTS700027") {
				t.Errorf("with a certificate that is not registered: %v", err)
			}
			sim.SetCertificates(other, cert)
			if err := validate(t, client, csr); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKeysThatEntraIDDoesNotTakeAreRefusedAtTheStart(t *testing.T) {
	p256, p384 := newKey(t, "P-256"), newKey(t, "P-384")
	for name, credential := range map[string]intune.Credential{
		"P-384":               intune.ClientCertificate([]*x509.Certificate{selfSigned(t, p384)}, p384),
		"no certificate":      intune.ClientCertificate(nil, p256),
		"another certificate": intune.ClientCertificate([]*x509.Certificate{selfSigned(t, p384)}, p256),
	} {
		if _, err := intune.New(intune.Config{
			Tenant: intunesim.DefaultTenant, ClientID: intunesim.DefaultClientID, CallerInfo: "x", Credential: credential,
		}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// brokenKey fails like a token that was pulled out.
type brokenKey struct{ hiddenKey }

func (brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token is gone")
}

func TestAKeyThatDoesNotSignIsReported(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	key := newKey(t, "P-256")
	cfg := simConfig(sim)
	cfg.Credential = intune.ClientCertificate([]*x509.Certificate{selfSigned(t, key)}, brokenKey{hiddenKey{key}})
	err := validate(t, newClient(t, cfg), newRequest(t, sim))
	if !errors.Is(err, intune.ErrUnauthorized) || !strings.Contains(err.Error(), "the token is gone") {
		t.Errorf("got %v", err)
	}
}

func TestAFederatedTokenIsReadAnewForEveryToken(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	key := newKey(t, "P-256")
	if err := sim.SetFederations(intunesim.Federation{Issuer: "https://cluster.example", Subject: "system:serviceaccount:ca:step", Key: key.Public()}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	write := func(subject string) {
		token, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": "https://cluster.example", "sub": subject, "aud": intunesim.FederationAudience,
			"exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("system:serviceaccount:other:other")
	cfg := simConfig(sim)
	cfg.Credential = intune.FederatedTokenFile(file)
	client := newClient(t, cfg)
	if err := validate(t, client, csr); !errors.Is(err, intune.ErrUnauthorized) || !strings.Contains(err.Error(), "AADSTS700213") {
		t.Errorf("with a foreign subject: %v", err)
	}
	write("system:serviceaccount:ca:step")
	if err := validate(t, client, csr); err != nil {
		t.Error(err)
	}
}

// toSim leads the address of Azure's identity endpoint to the simulator.
type toSim struct {
	sim  *intunesim.Server
	base http.RoundTripper
}

func (s toSim) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "169.254.169.254" {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = "https", strings.TrimPrefix(s.sim.URL(), "https://")
		r.Host = ""
	}
	return s.base.RoundTrip(r)
}

func TestAManagedIdentityIsACredential(t *testing.T) {
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT"} {
		t.Setenv(name, "")
	}
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	for id, good := range map[string]bool{
		"system": true, intunesim.DefaultClientID: true, "99999999-2222-3333-4444-555555555555": false,
	} {
		cfg := simConfig(sim)
		cfg.Tenant, cfg.ClientID = "", ""
		cfg.Credential = intune.ManagedIdentity(id)
		client := newClient(t, intune.WithTransport(cfg, toSim{sim, sim.HTTPClient().Transport}))
		err := validate(t, client, csr)
		if good && err != nil || !good && !errors.Is(err, intune.ErrUnauthorized) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := sim.AddFault(intunesim.Fault{Operation: intunesim.OpManagedIdentity, Times: 1, Status: 410}); err != nil {
		t.Fatal(err)
	}
	cfg := simConfig(sim)
	cfg.Credential = intune.ManagedIdentity("system")
	client := newClient(t, intune.WithTransport(cfg, toSim{sim, sim.HTTPClient().Transport}))
	if err := validate(t, client, csr); err != nil {
		t.Errorf("after 410, which the endpoint answers while it is updated: %v", err)
	}
}

func TestAChangedSecretFileIsUsedWithoutRestart(t *testing.T) {
	sim := startSim(t, intunesim.Options{Secret: "first~secret"})
	csr := newRequest(t, sim)
	file := filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		if err := os.WriteFile(file, []byte("\ufeff"+secret+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first~secret")
	cfg := simConfig(sim)
	cfg.Credential = intune.SecretFile(file)
	client := newClient(t, cfg)
	if err := validate(t, client, csr); err != nil {
		t.Fatal(err)
	}
	// The administrator replaces the key; tokens of the old one are refused.
	sim.SetSecrets([]string{"second~secret"}, []string{"first~secret"})
	refuseOneToken(t, sim)
	err := validate(t, client, csr)
	if !errors.Is(err, intune.ErrUnauthorized) || !strings.Contains(err.Error(), "AADSTS7000222") {
		t.Errorf("with the expired key: %v", err)
	}
	write("second~secret")
	refuseOneToken(t, sim)
	if err := validate(t, client, csr); err != nil {
		t.Errorf("right after the old key was refused: %v", err)
	}
}

func TestAKeyThatIsReplacedWhileItIsRefusedIsTriedAtOnce(t *testing.T) {
	sim := startSim(t, intunesim.Options{Secret: "second~secret"})
	csr := newRequest(t, sim)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("first~secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sim.AddFault(intunesim.Fault{
		Operation: intunesim.OpToken, Times: 1, Code: "7000215",
		Reached: func() { _ = os.WriteFile(file, []byte("second~secret"), 0o600) },
	}); err != nil {
		t.Fatal(err)
	}
	cfg := simConfig(sim)
	cfg.Retries = 0
	cfg.Credential = intune.SecretFile(file)
	if err := validate(t, newClient(t, cfg), csr); err != nil {
		t.Error(err)
	}
}

// refuseOneToken makes Intune refuse the present token once.
func refuseOneToken(t *testing.T, sim *intunesim.Server) {
	t.Helper()
	if err := sim.AddFault(intunesim.Fault{Operation: intunesim.OpValidate, Times: 1, Status: 401}); err != nil {
		t.Fatal(err)
	}
}

func TestASecretFromTheEnvironment(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	t.Setenv("CONTOSO_INTUNE_SECRET", intunesim.DefaultSecret)
	cfg := simConfig(sim)
	cfg.Credential = intune.SecretEnv("CONTOSO_INTUNE_SECRET")
	if err := validate(t, newClient(t, cfg), newRequest(t, sim)); err != nil {
		t.Error(err)
	}
}

func TestWhatEntraIDRefusesIsExplained(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	for want, change := range map[string]func(*intune.Config){
		"AADSTS7000215": func(c *intune.Config) { c.Credential = intune.ClientSecret("wrong") },
		"AADSTS700016":  func(c *intune.Config) { c.ClientID = "99999999-2222-3333-4444-555555555555" },
		"AADSTS90002":   func(c *intune.Config) { c.Tenant = "fabrikam.onmicrosoft.com" },
		"AADSTS500011":  func(c *intune.Config) { c.Endpoints.Graph = "https://graph.example" },
	} {
		cfg := simConfig(sim)
		change(&cfg)
		err := validate(t, newClient(t, cfg), csr)
		var se *intune.ServiceError
		if !errors.Is(err, intune.ErrUnauthorized) || !errors.As(err, &se) || !strings.Contains(err.Error(), want) ||
			se.Advice == "" || se.Operation != "token" || se.TransactionID != "tx" {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestAMissingPermissionIsNamed(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	for want, tokens := range map[string]intunesim.Tokens{
		"scep_challenge_provider": {IntuneRoles: []string{}},
		"Application.Read.All":    {GraphRoles: []string{}},
	} {
		if err := sim.SetTokens(tokens); err != nil {
			t.Fatal(err)
		}
		client := newClient(t, simConfig(sim))
		err := validate(t, client, csr)
		var se *intune.ServiceError
		if !errors.Is(err, intune.ErrUnauthorized) || !errors.As(err, &se) || !strings.Contains(se.Advice, want) {
			t.Errorf("%s: %v", want, err)
		}
		// Once the administrator has granted it, no restart is needed.
		if err := sim.SetTokens(intunesim.Tokens{}); err != nil {
			t.Fatal(err)
		}
		if err := validate(t, client, csr); err != nil {
			t.Errorf("%s: after the grant: %v", want, err)
		}
	}
}

func TestSecretsPrintAsStars(t *testing.T) {
	s := intune.Secret("top~secret")
	for _, text := range []string{
		s.String(), s.GoString(), fmt.Sprint(s), fmt.Sprintf("%v %s %q %x %d %#v %+v", s, s, s, s, s, s, s),
		fmt.Sprintf("%v", struct{ S intune.Secret }{s}), fmt.Sprintf("%#v", &struct{ S intune.Secret }{s}),
	} {
		if strings.Contains(text, "top") || strings.Contains(text, "746f70") || !strings.Contains(text, "***") {
			t.Errorf("it prints as %s", text)
		}
	}
}

// crashingKey fails like a driver with a fault.
type crashingKey struct{ hiddenKey }

func (crashingKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { panic("driver") }

func TestAKeyWhoseDriverPanicsDoesNotEndTheProcess(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	key := newKey(t, "P-256")
	cfg := simConfig(sim)
	cfg.Credential = intune.ClientCertificate([]*x509.Certificate{selfSigned(t, key)}, crashingKey{hiddenKey{key}})
	client := newClient(t, cfg)
	for range 2 {
		if err := validate(t, client, newRequest(t, sim)); !errors.Is(err, intune.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
}
