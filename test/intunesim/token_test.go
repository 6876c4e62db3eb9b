package intunesim_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestTokenRequestsAreRefusedAsEntraDoes(t *testing.T) {
	sim := start(t, intunesim.Options{})
	sim.SetSecrets([]string{intunesim.DefaultSecret, "the next one"}, []string{"the last one"})
	ours := sim.URL() + "/.default"
	for _, test := range []struct {
		name   string
		tenant string
		change func(form map[string][]string)
		number float64
		error  string
		status int
	}{
		{"the second secret is good", "", func(f map[string][]string) { f["client_secret"] = []string{"the next one"} }, 0, "", 200},
		{"the tenant's id is good", sim.TenantID(), nil, 0, "", 200},
		{"the tenant's name in capitals is good", "CONTOSO.onmicrosoft.com", nil, 0, "", 200},
		{"MSAL's further scopes are good", "", func(f map[string][]string) { f["scope"] = []string{ours + " openid offline_access profile"} }, 0, "", 200},
		{"Microsoft's own Graph is a resource", "", func(f map[string][]string) { f["scope"] = []string{"https://graph.microsoft.com/.default"} }, 0, "", 200},
		{"Microsoft's own Intune is a resource", "", func(f map[string][]string) { f["scope"] = []string{"https://api.manage.microsoft.com//.default"} }, 0, "", 200},
		{"a wrong secret", "", func(f map[string][]string) { f["client_secret"] = []string{"guess"} }, 7000215, "invalid_client", 401},
		{"an expired secret", "", func(f map[string][]string) { f["client_secret"] = []string{"the last one"} }, 7000222, "invalid_client", 401},
		{"no secret", "", func(f map[string][]string) { delete(f, "client_secret") }, 7000218, "invalid_request", 401},
		{"an unknown application", "", func(f map[string][]string) { f["client_id"] = []string{uuid.NewString()} }, 700016, "unauthorized_client", 400},
		{"an unknown tenant", "fabrikam.onmicrosoft.com", nil, 90002, "invalid_request", 400},
		{"a wrong resource", "", func(f map[string][]string) { f["scope"] = []string{"https://example.com/.default"} }, 500011, "invalid_resource", 400},
		{"Intune's resource without its slash", "", func(f map[string][]string) { f["scope"] = []string{"https://api.manage.microsoft.com/.default"} }, 500011, "invalid_resource", 400},
		{"a scope that is no default", "", func(f map[string][]string) { f["scope"] = []string{sim.URL() + "/Application.Read.All"} }, 1002012, "invalid_scope", 400},
		{"two resources", "", func(f map[string][]string) { f["scope"] = []string{ours + " https://graph.microsoft.com/.default"} }, 1002012, "invalid_scope", 400},
		{"no scope", "", func(f map[string][]string) { delete(f, "scope") }, 90014, "invalid_request", 400},
		{"another grant", "", func(f map[string][]string) { f["grant_type"] = []string{"password"} }, 70003, "unsupported_grant_type", 400},
		{"no grant", "", func(f map[string][]string) { delete(f, "grant_type") }, 900144, "invalid_request", 400},
		{"an assertion of unknown type", "", func(f map[string][]string) { f["client_assertion"] = []string{"e30.e30.e30"} }, 900144, "invalid_request", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := secretForm(ours)
			if test.change != nil {
				test.change(form)
			}
			if test.tenant == "" {
				test.tenant = intunesim.DefaultTenant
			}
			status, answer := postForm(t, sim, test.tenant, form)
			if status != test.status {
				t.Errorf("status %d, want %d: %v", status, test.status, answer)
			}
			if test.number != 0 {
				checkAADSTS(t, answer, test.number, test.error)
			}
		})
	}
	resp, err := sim.HTTPClient().Get(sim.URL() + "/" + intunesim.DefaultTenant + "/oauth2/v2.0/token")
	if err != nil {
		t.Fatal(err)
	}
	checkAADSTS(t, readJSON(t, resp), 900561, "invalid_request")
}

func checkAADSTS(t testing.TB, answer map[string]any, number float64, kind string) {
	t.Helper()
	numbers, _ := answer["error_codes"].([]any)
	if !slices.Equal(numbers, []any{number}) || answer["error"] != kind {
		t.Errorf("got %v %v, want %v %s", numbers, answer["error"], number, kind)
	}
	for _, key := range []string{"error_description", "trace_id", "correlation_id", "timestamp"} {
		if s, _ := answer[key].(string); s == "" {
			t.Errorf("%s is missing", key)
		}
	}
}

func TestTokensHoldWhatTheyAreFor(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	sim := start(t, intunesim.Options{Now: func() time.Time { return now }})
	for scope, want := range map[string]struct{ audience, role string }{
		sim.URL() + "/.default":  {sim.URL(), "Application.Read.All"},
		sim.URL() + "//.default": {sim.URL() + "/", "scep_challenge_provider"},
	} {
		var claims jwt.MapClaims
		if _, _, err := jwt.NewParser().ParseUnverified(getToken(t, sim, scope), &claims); err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]any{
			"aud": want.audience, "appid": intunesim.DefaultClientID, "tid": sim.TenantID(),
			"iat": 1.8e9, "exp": 1.8e9 + 3600,
		} {
			if claims[key] != value {
				t.Errorf("%s: %s is %v, want %v", scope, key, claims[key], value)
			}
		}
		if roles, _ := claims["roles"].([]any); !slices.Equal(roles, []any{want.role}) {
			t.Errorf("%s: roles %v, want %s", scope, roles, want.role)
		}
	}
}

func TestTokensAreVerified(t *testing.T) {
	csr := build(t, device.CSR{})
	for _, test := range []struct {
		name   string
		token  func(t *testing.T, sim *intunesim.Server, good, other string) string
		status int
	}{
		{"the right token is good", func(_ *testing.T, _ *intunesim.Server, good, _ string) string { return good }, 200},
		{"no token", func(*testing.T, *intunesim.Server, string, string) string { return "" }, 401},
		{"nonsense", func(*testing.T, *intunesim.Server, string, string) string { return "nonsense" }, 401},
		{"the other service's token", func(_ *testing.T, _ *intunesim.Server, _, other string) string { return other }, 401},
		{"a changed token", func(_ *testing.T, _ *intunesim.Server, good, _ string) string {
			return changed(good, strings.Index(good, ".")+20)
		}, 401},
		{"a changed signature", func(_ *testing.T, _ *intunesim.Server, good, _ string) string {
			return changed(good, strings.LastIndex(good, ".")+20)
		}, 401},
		{"a token without signature", func(_ *testing.T, _ *intunesim.Server, good, _ string) string {
			claims := strings.Split(good, ".")[1]
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + claims + "."
		}, 401},
		{"a token of another simulator", func(t *testing.T, _ *intunesim.Server, _, _ string) string {
			return getToken(t, start(t, intunesim.Options{}), "https://api.manage.microsoft.com//.default")
		}, 401},
		{"an expired token", func(_ *testing.T, sim *intunesim.Server, good, _ string) string {
			sim.Advance(61 * time.Minute)
			return good
		}, 401},
		{"a token from before the role was granted", func(_ *testing.T, _ *intunesim.Server, good, _ string) string { return good }, 403},
	} {
		for service, scopes := range map[string][2]string{"Intune": {"//.default", "/.default"}, "Graph": {"/.default", "//.default"}} {
			t.Run(test.name+" at "+service, func(t *testing.T) {
				sim := start(t, intunesim.Options{})
				if test.status == 403 {
					setTokens(t, sim, intunesim.Tokens{IntuneRoles: []string{}, GraphRoles: []string{"other"}})
				}
				good, other := getToken(t, sim, sim.URL()+scopes[0]), getToken(t, sim, sim.URL()+scopes[1])
				setTokens(t, sim, intunesim.Tokens{})
				token := test.token(t, sim, good, other)
				c := &caller{t, sim, token}
				req := c.request(scepPath+"validateRequest", validation("transaction-1", csr))
				if service == "Graph" {
					req = c.request(endpoint, "")
					req.Method = http.MethodGet
				}
				if token == "" {
					req.Header.Del("Authorization")
				}
				status, answer := c.send(req)
				if status != test.status {
					t.Errorf("status %d, want %d: %v", status, test.status, answer)
				}
				failure, _ := answer["error"].(object)
				if code, _ := failure["code"].(string); (test.status >= 400) != (code != "") {
					t.Errorf("no error of Microsoft's form: %v", answer)
				}
			})
		}
	}
}

func setTokens(t testing.TB, sim *intunesim.Server, tokens intunesim.Tokens) {
	t.Helper()
	if err := sim.SetTokens(tokens); err != nil {
		t.Fatal(err)
	}
}

func TestTheLifetimeOfTokensCanBeSet(t *testing.T) {
	sim := start(t, intunesim.Options{})
	setTokens(t, sim, intunesim.Tokens{Lifetime: 10 * time.Minute, RefreshIn: 5 * time.Minute})
	status, answer := postForm(t, sim, intunesim.DefaultTenant, secretForm(sim.URL()+"//.default"))
	if status != 200 || answer["expires_in"] != 599.0 || answer["refresh_in"] != 300.0 {
		t.Errorf("got %d %v", status, answer)
	}
	c := &caller{t, sim, answer["access_token"].(string)}
	sim.Advance(11 * time.Minute)
	if status, _ := c.send(c.request(scepPath+"validateRequest", validation("transaction-1", nil))); status != 401 {
		t.Errorf("status %d", status)
	}
}

// registered makes a certificate for key.
func registered(t testing.TB, key crypto.Signer, notAfter time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "application"},
		NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestClientAssertionsAreVerified(t *testing.T) {
	sim := start(t, intunesim.Options{})
	rsaKey, strangerKey, ec := device.Keys(2)[0], device.Keys(2)[1], ecKey()
	tomorrow, yesterday := time.Now().Add(12*time.Hour), time.Now().Add(-time.Minute)
	rsaCert, ecCert := registered(t, rsaKey, tomorrow), registered(t, ec, tomorrow)
	strangerCert, oldCert := registered(t, strangerKey, tomorrow), registered(t, rsaKey, yesterday)
	sim.SetCertificates(ecCert, oldCert, rsaCert)
	if err := sim.SetFederations(
		intunesim.Federation{Issuer: "https://issuer.example", Subject: "system:serviceaccount:ca:ca", Key: strangerKey.Public()},
		intunesim.Federation{Issuer: "https://issuer.example", Subject: "system:serviceaccount:ca:ca", Key: rsaKey.Public()},
	); err != nil {
		t.Fatal(err)
	}
	tokenURL := sim.URL() + "/" + intunesim.DefaultTenant + "/oauth2/v2.0/token"

	type assertion struct {
		method jwt.SigningMethod
		key    any
		header map[string]any
		claims jwt.MapClaims
	}
	s256 := func(c *x509.Certificate) string {
		hash := sha256.Sum256(c.Raw)
		return base64.RawURLEncoding.EncodeToString(hash[:])
	}
	s1 := func(c *x509.Certificate) string {
		hash := sha1.Sum(c.Raw)
		return base64.RawURLEncoding.EncodeToString(hash[:])
	}
	federated := func(a *assertion) {
		a.method, a.header = jwt.SigningMethodRS256, map[string]any{"kid": "1"}
		a.claims["iss"], a.claims["sub"] = "https://issuer.example", "system:serviceaccount:ca:ca"
		a.claims["aud"] = []string{"api://AzureADTokenExchange"}
	}
	for _, test := range []struct {
		name   string
		change func(*assertion)
		number float64
	}{
		{"PS256 is good", nil, 0},
		{"RS256 is good", func(a *assertion) { a.method = jwt.SigningMethodRS256 }, 0},
		{"ES256 is good", func(a *assertion) {
			a.method, a.key, a.header = jwt.SigningMethodES256, ec, map[string]any{"x5t#S256": s256(ecCert)}
		}, 0},
		{"the SHA-1 thumbprint alone is good", func(a *assertion) { a.header = map[string]any{"x5t": s1(rsaCert)} }, 0},
		{"the ordinary base64 is good", func(a *assertion) {
			hash := sha256.Sum256(rsaCert.Raw)
			a.header["x5t#S256"] = base64.StdEncoding.EncodeToString(hash[:])
		}, 0},
		{"the endpoint by the tenant's id is good", func(a *assertion) {
			a.claims["aud"] = sim.URL() + "/" + sim.TenantID() + "/oauth2/v2.0/token"
		}, 0},
		{"RS512", func(a *assertion) { a.method = jwt.SigningMethodRS512 }, 700027},
		{"no signature", func(a *assertion) { a.method, a.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType }, 700027},
		{"HMAC with the public key", func(a *assertion) { a.method, a.key = jwt.SigningMethodHS256, rsaCert.RawSubjectPublicKeyInfo }, 700027},
		{"a certificate that is not registered", func(a *assertion) { a.key, a.header["x5t#S256"] = strangerKey, s256(strangerCert) }, 700027},
		{"a stranger's key under a registered thumbprint", func(a *assertion) { a.key = strangerKey }, 700027},
		{"two thumbprints of different certificates", func(a *assertion) { a.header["x5t"] = s1(ecCert) }, 700027},
		{"no thumbprint", func(a *assertion) { a.header = map[string]any{} }, 700027},
		{"a malformed thumbprint", func(a *assertion) { a.header["x5t#S256"] = "*" }, 700027},
		{"an expired certificate", func(a *assertion) { a.header["x5t#S256"] = s256(oldCert) }, 700027},
		{"another subject", func(a *assertion) { a.claims["sub"] = uuid.NewString() }, 700021},
		{"another audience", func(a *assertion) { a.claims["aud"] = "https://login.microsoftonline.com/common/oauth2/v2.0/token" }, 700023},
		{"no audience", func(a *assertion) { delete(a.claims, "aud") }, 700023},
		{"expired", func(a *assertion) { a.claims["exp"] = time.Now().Add(-10 * time.Minute).Unix() }, 700024},
		{"not valid yet", func(a *assertion) { a.claims["nbf"] = time.Now().Add(10 * time.Minute).Unix() }, 700024},
		{"without end", func(a *assertion) { delete(a.claims, "exp") }, 700024},
		{"no id", func(a *assertion) { delete(a.claims, "jti") }, 50027},
		{"a federated token is good", federated, 0},
		{"a federated token of another issuer", func(a *assertion) { federated(a); a.claims["iss"] = "https://other.example" }, 700211},
		{"a federated token of another subject", func(a *assertion) { federated(a); a.claims["sub"] = "system:serviceaccount:ca:other" }, 700213},
		{"a federated token for another audience", func(a *assertion) { federated(a); a.claims["aud"] = "https://kubernetes.default.svc" }, 700212},
		{"a federated token of another key", func(a *assertion) { federated(a); a.method, a.key = jwt.SigningMethodES256, ec }, 50012},
		{"an expired federated token", func(a *assertion) { federated(a); a.claims["exp"] = time.Now().Add(-time.Hour).Unix() }, 700024},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &assertion{jwt.SigningMethodPS256, rsaKey, map[string]any{"x5t#S256": s256(rsaCert)}, jwt.MapClaims{
				"aud": tokenURL, "iss": intunesim.DefaultClientID, "sub": intunesim.DefaultClientID, "jti": uuid.NewString(),
				"nbf": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(),
			}}
			if test.change != nil {
				test.change(a)
			}
			token := jwt.NewWithClaims(a.method, a.claims)
			for key, value := range a.header {
				token.Header[key] = value
			}
			signed, err := token.SignedString(a.key)
			if err != nil {
				t.Fatal(err)
			}
			form := secretForm(sim.URL() + "//.default")
			form.Del("client_secret")
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", signed)
			status, answer := postForm(t, sim, intunesim.DefaultTenant, form)
			if test.number == 0 {
				if status != 200 {
					t.Errorf("got %d %v", status, answer)
				}
				return
			}
			kind := "invalid_client"
			if test.number == 50027 {
				kind = "invalid_request"
			}
			checkAADSTS(t, answer, test.number, kind)
		})
	}
}
