package provisioner

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	kmsapi "go.step.sm/crypto/kms/apiv1"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// clientConfigOf decodes an `intune` object and returns what the client gets of it.
func clientConfigOf(t testing.TB, o object) intune.Config {
	t.Helper()
	var s settings
	if key, err := decodeStrict(toJSON(t, o), &s); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	conf, err := s.clientConfig()
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func TestEverySettingReachesTheClient(t *testing.T) {
	least := intuneEntry(t, "intune")["intune"].(object)
	for name, test := range map[string]struct {
		key   string // "": nothing is set
		value any
		got   func(intune.Config) any
		want  any
	}{
		"tenant":                    {"tenant", "fabrikam.example", func(c intune.Config) any { return c.Tenant }, "fabrikam.example"},
		"client id":                 {"clientID", "99999999-2222-3333-4444-555555555555", func(c intune.Config) any { return c.ClientID }, "99999999-2222-3333-4444-555555555555"},
		"no cloud":                  {"", nil, func(c intune.Config) any { return c.Cloud }, intune.Cloud("")},
		"the US Government":         {"cloud", "usgov", func(c intune.Config) any { return c.Cloud }, intune.CloudUSGov},
		"the Department of Defense": {"cloud", "dod", func(c intune.Config) any { return c.Cloud }, intune.CloudDoD},
		"China":                     {"cloud", "china", func(c intune.Config) any { return c.Cloud }, intune.CloudChina},
		"endpoints":                 {"endpoints", object{"login": "https://a", "graph": "https://b", "intune": "https://c"}, func(c intune.Config) any { return c.Endpoints }, intune.Endpoints{Login: "https://a", Graph: "https://b", Intune: "https://c"}},
		"no service hosts":          {"", nil, func(c intune.Config) any { return c.AllowedServiceHosts }, []string(nil)},
		"service hosts":             {"allowedServiceHosts", []any{"a.example", "b.example"}, func(c intune.Config) any { return c.AllowedServiceHosts }, []string{"a.example", "b.example"}},
		"no timeout":                {"", nil, func(c intune.Config) any { return c.Timeout }, 10 * time.Second},
		"a timeout":                 {"timeout", "3500ms", func(c intune.Config) any { return c.Timeout }, 3500 * time.Millisecond},
		"the longest timeout":       {"timeout", "13s", func(c intune.Config) any { return c.Timeout }, 13 * time.Second},
		"no number of retries":      {"", nil, func(c intune.Config) any { return c.Retries }, 2},
		"no retries":                {"retries", 0, func(c intune.Config) any { return c.Retries }, 0},
		"five retries":              {"retries", 5, func(c intune.Config) any { return c.Retries }, 5},
		"the environment's proxy":   {"", nil, func(c intune.Config) any { return c.Proxy == nil }, true},
		"the system's roots":        {"", nil, func(c intune.Config) any { return c.TLS == nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := least
			if test.key != "" {
				o = with(least, test.value, test.key)
			}
			if got := test.got(clientConfigOf(t, o)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestAManagedIdentityNeedsNoClientID(t *testing.T) {
	o := with(intuneEntry(t, "intune")["intune"].(object), object{"managedIdentity": "system"}, "credential")
	delete(o, "clientID")
	if conf := clientConfigOf(t, o); conf.ClientID != "" {
		t.Errorf("client id %q", conf.ClientID)
	}
}

func TestTheRootsOfTheSettingsAreTheOnlyOnes(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "roots"), append(certificatePEM(testRoot().certificate), certificatePEM(testECIssuer().certificate)...))
	conf := clientConfigOf(t, with(intuneEntry(t, "intune")["intune"].(object), object{"rootCAs": file}, "tls"))
	want := x509.NewCertPool()
	want.AddCert(testRoot().certificate)
	want.AddCert(testECIssuer().certificate)
	if conf.TLS == nil || !want.Equal(conf.TLS.RootCAs) || conf.TLS.InsecureSkipVerify {
		t.Errorf("got %+v", conf.TLS)
	}
}

func TestTheProxyIsChosenWithThePasswordOfTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	least := intuneEntry(t, "intune")["intune"].(object)
	choose := func(o object) func() string {
		writeFile(t, file, []byte("first\n"))
		proxy := clientConfigOf(t, with(least, o, "proxy")).Proxy
		if proxy == nil {
			t.Fatal("no proxy")
		}
		return func() string {
			u, err := proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "graph.microsoft.com"}})
			if err != nil {
				t.Fatal(err)
			}
			return u.String()
		}
	}
	if got := choose(object{"url": "http://proxy.example:3128"})(); got != "http://proxy.example:3128" {
		t.Errorf("got %s", got)
	}
	signedIn := choose(object{"url": "http://proxy.example:3128", "username": "ca", "passwordFile": file})
	if got := signedIn(); got != "http://ca:first@proxy.example:3128" {
		t.Errorf("got %s", got)
	}
	writeFile(t, file, []byte("second\n"))
	if got := signedIn(); got != "http://ca:second@proxy.example:3128" {
		t.Errorf("after a change of the file: %s", got)
	}
}

// credentialCase is a kind of credential: prepare registers it at the simulator, where no
// client secret is good any more, and returns the `credential` object; check looks at what
// the simulator was shown.
type credentialCase struct {
	name    string
	prepare func(t *testing.T, sim *intunesim.Server) object
	check   func(t *testing.T, sim *intunesim.Server)
}

var credentialCases = []credentialCase{
	{"a secret in a file", secretIn(func(t *testing.T, secret string) object {
		return object{"secretFile": writeFile(t, filepath.Join(t.TempDir(), "secret"), []byte(secret+"\n"))}
	}), shownSecret},
	{"a secret in the environment", secretIn(func(t *testing.T, secret string) object {
		t.Setenv("CONTOSO_INTUNE_SECRET", secret)
		return object{"secretEnv": "CONTOSO_INTUNE_SECRET"}
	}), shownSecret},
	{"a certificate whose key is a PEM file", certificateWith(func(_ *testing.T, file string, _ crypto.Signer) string { return file }), shownAssertionOf(intunesim.DefaultClientID)},
	{"a certificate whose key is a softkms URI with a path", certificateWith(func(_ *testing.T, file string, _ crypto.Signer) string { return "softkms:path=" + file }), shownAssertionOf(intunesim.DefaultClientID)},
	{"a certificate whose key is a softkms URI", certificateWith(func(_ *testing.T, file string, _ crypto.Signer) string { return "softkms:" + file }), shownAssertionOf(intunesim.DefaultClientID)},
	{"a certificate whose key stays hidden", certificateWith(hidden), shownAssertionOf(intunesim.DefaultClientID)},
	{"a token of another identity provider", federated, shownAssertionOf("https://cluster.example")},
	{"the machine's identity", managed("system"), shownIdentity("")},
	{"an identity given to the machine", managed(intunesim.DefaultClientID), shownIdentity(intunesim.DefaultClientID)},
}

func secretIn(place func(t *testing.T, secret string) object) func(*testing.T, *intunesim.Server) object {
	return func(t *testing.T, sim *intunesim.Server) object {
		sim.SetSecrets([]string{"another~secret"}, nil)
		return place(t, "another~secret")
	}
}

func certificateWith(key func(t *testing.T, file string, key crypto.Signer) string) func(*testing.T, *intunesim.Server) object {
	return func(t *testing.T, sim *intunesim.Server) object {
		app, dir := newIssuer("application", nil, rsaKey(), false), t.TempDir()
		sim.SetSecrets(nil, nil)
		sim.SetCertificates(app.certificate)
		return object{
			"certificate": writeFile(t, filepath.Join(dir, "app.crt"), certificatePEM(app.certificate)),
			"key":         key(t, writeFile(t, filepath.Join(dir, "app.key"), keyPEM(app.key)), app.key),
		}
	}
}

// token is a KMS that keeps one key to itself.
type token struct {
	kmsapi.KeyManager
	uri string
	key crypto.Signer
}

func (k token) CreateSigner(r *kmsapi.CreateSignerRequest) (crypto.Signer, error) {
	if r.SigningKey != k.uri {
		return nil, errors.New("there is no such key")
	}
	return hiddenKey{k.key}, nil
}

func (token) Close() error { return nil }

// hiddenKey shows nothing of a key but what a token in hardware would.
type hiddenKey struct{ signer crypto.Signer }

func (k hiddenKey) Public() crypto.PublicKey { return k.signer.Public() }
func (k hiddenKey) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.signer.Sign(random, digest, o)
}

// hidden puts the key into a KMS and takes its file away.
func hidden(t *testing.T, file string, key crypto.Signer) string {
	const uri = "pkcs11:token=intune;object=app"
	writeFile(t, file, nil)
	before, ok := kmsapi.LoadKeyManagerNewFunc(kmsapi.PKCS11)
	if !ok {
		before = func(context.Context, kmsapi.Options) (kmsapi.KeyManager, error) {
			return nil, errors.New("there is no token")
		}
	}
	t.Cleanup(func() { kmsapi.Register(kmsapi.PKCS11, before) })
	kmsapi.Register(kmsapi.PKCS11, func(_ context.Context, o kmsapi.Options) (kmsapi.KeyManager, error) {
		if o.URI != uri {
			return nil, errors.New("there is no such token")
		}
		return token{uri: uri, key: key}, nil
	})
	return uri
}

func federated(t *testing.T, sim *intunesim.Server) object {
	key := ecKey()
	if err := sim.SetFederations(intunesim.Federation{Issuer: "https://cluster.example", Subject: "system:serviceaccount:ca:step", Key: key.Public()}); err != nil {
		t.Fatal(err)
	}
	sim.SetSecrets(nil, nil)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "https://cluster.example", "sub": "system:serviceaccount:ca:step", "aud": intunesim.FederationAudience,
		"exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return object{"federatedTokenFile": writeFile(t, filepath.Join(t.TempDir(), "token"), []byte(signed+"\n"))}
}

// managed plays the identity endpoint of an Azure App Service in front of the simulator,
// which plays that of a virtual machine.
func managed(id string) func(*testing.T, *intunesim.Server) object {
	return func(t *testing.T, sim *intunesim.Server) object {
		endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-IDENTITY-HEADER") != "only this machine knows" {
				http.Error(w, "who are you", http.StatusUnauthorized)
				return
			}
			query := url.Values{"api-version": {"2018-02-01"}, "resource": r.URL.Query()["resource"], "client_id": r.URL.Query()["client_id"]}
			ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, sim.URL()+"/metadata/identity/oauth2/token?"+query.Encode(), nil)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			ask.Header.Set("Metadata", "true")
			answer, err := sim.HTTPClient().Do(ask)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer answer.Body.Close()
			w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
		}))
		t.Cleanup(endpoint.Close)
		for _, name := range []string{"MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT"} {
			t.Setenv(name, "")
		}
		t.Setenv("IDENTITY_ENDPOINT", endpoint.URL)
		t.Setenv("IDENTITY_HEADER", "only this machine knows")
		sim.SetSecrets(nil, nil)
		return object{"managedIdentity": id}
	}
}

// tokenForms returns what was sent for tokens.
func tokenForms(t *testing.T, sim *intunesim.Server) []url.Values {
	t.Helper()
	var forms []url.Values
	for _, r := range calls(sim, intunesim.OpToken) {
		form, err := url.ParseQuery(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, form)
	}
	return forms
}

func shownSecret(t *testing.T, sim *intunesim.Server) {
	t.Helper()
	forms := tokenForms(t, sim)
	for _, form := range forms {
		if form.Get("client_secret") != "another~secret" || form.Has("client_assertion") {
			t.Errorf("shown %v", form)
		}
	}
	if len(forms) == 0 {
		t.Error("no token was asked for")
	}
}

// shownAssertionOf checks that a signed statement of this issuer was shown and no secret.
func shownAssertionOf(issuer string) func(*testing.T, *intunesim.Server) {
	return func(t *testing.T, sim *intunesim.Server) {
		t.Helper()
		forms := tokenForms(t, sim)
		for _, form := range forms {
			claims := jwt.MapClaims{}
			if _, _, err := jwt.NewParser().ParseUnverified(form.Get("client_assertion"), claims); err != nil {
				t.Error(err)
			}
			if claims["iss"] != issuer || form.Has("client_secret") {
				t.Errorf("shown a statement of %v", claims["iss"])
			}
		}
		if len(forms) == 0 {
			t.Error("no token was asked for")
		}
	}
}

func shownIdentity(id string) func(*testing.T, *intunesim.Server) {
	return func(t *testing.T, sim *intunesim.Server) {
		t.Helper()
		asked := calls(sim, intunesim.OpManagedIdentity)
		if len(asked) == 0 || len(calls(sim, intunesim.OpToken)) != 0 {
			t.Errorf("the identity was asked for %d times", len(asked))
		}
		for _, r := range asked {
			if u, err := url.Parse(r.Path); err != nil || u.Query().Get("client_id") != id {
				t.Errorf("asked for %s", r.Path)
			}
		}
	}
}

func TestEveryKindOfCredentialIsTheOneThatIsConfigured(t *testing.T) {
	for _, c := range credentialCases {
		t.Run(c.name, func(t *testing.T) {
			sim := startSim(t)
			s := with(simSettings(t, sim), c.prepare(t, sim), "credential")
			conf := clientConfigOf(t, s)
			conf.CallerInfo = "test"
			client, err := intune.New(conf)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.CloseIdleConnections)
			challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-0001", DeviceID: "device-0001"})
			if err != nil {
				t.Fatal(err)
			}
			r, err := device1(challenge).Build()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.ValidateRequest(t.Context(), "tx", r.DER); err != nil {
				t.Error(err)
			}
			c.check(t, sim)
		})
	}
}
