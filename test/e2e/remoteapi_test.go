package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"
	"go.step.sm/crypto/jose"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// administrator speaks the admin API itself: the command line checks much before it asks.
type administrator struct {
	*site
	chain []string // base64
	key   any
}

// administrator gets the certificate that proves the first administrator.
func (s *site) administrator() *administrator {
	s.Helper()
	dir := s.TempDir()
	crt, key := dir+"/admin.crt", dir+"/admin.key"
	if text, err := s.step("ca", "certificate", "step", crt, key, "--provisioner", "Admin JWK",
		"--provisioner-password-file", s.ca.File("password"), "--not-after", "1h"); err != nil {
		s.Fatalf("%v: %s", err, text)
	}
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err != nil {
		s.Fatal(err)
	}
	a := &administrator{site: s, key: pair.PrivateKey}
	for _, c := range pair.Certificate {
		a.chain = append(a.chain, base64.StdEncoding.EncodeToString(c))
	}
	return a
}

// call sends a request to the admin API.
func (a *administrator) call(method, path string, body any) (status int, answer string) {
	a.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: a.key},
		new(jose.SignerOptions).WithType("JWT").WithHeader("x5c", a.chain))
	if err != nil {
		a.Fatal(err)
	}
	now := time.Now()
	bare, _, _ := strings.Cut(path, "?")
	token, err := jose.Signed(signer).Claims(jose.Claims{
		ID: rand.Text(), Issuer: "step-admin-client/1.0", Subject: "step", Audience: jose.Audience{a.ca.URL("/admin" + bare)},
		IssuedAt: jose.NewNumericDate(now), NotBefore: jose.NewNumericDate(now), Expiry: jose.NewNumericDate(now.Add(5 * time.Minute)),
	}).CompactSerialize()
	if err != nil {
		a.Fatal(err)
	}
	text, ok := body.(string)
	if !ok && body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			a.Fatal(err)
		}
		text = string(raw)
	}
	r, err := http.NewRequestWithContext(a.Context(), method, a.ca.URL("/admin"+path), bytes.NewReader([]byte(text)))
	if err != nil {
		a.Fatal(err)
	}
	r.Header.Set("Authorization", token)
	response, err := a.ca.HTTP.Do(r)
	if err != nil {
		a.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, string(content)
}

// must makes a call that an administrator may make.
func (a *administrator) must(method, path string, body any) string {
	a.Helper()
	status, answer := a.call(method, path, body)
	if status >= 300 {
		a.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// shown returns what everybody is told of the Intune provisioner.
func (s *site) shown() string {
	s.Helper()
	answer, err := s.ca.HTTP.Get(s.ca.URL("/provisioners"))
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	var all struct{ Provisioners []json.RawMessage }
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		s.Fatal(err)
	}
	for _, p := range all.Provisioners {
		if strings.Contains(string(p), `"name":"`+intune+`"`) {
			return string(p)
		}
	}
	return ""
}

func TestNoCallOfTheAdminAPIReachesAnIntuneEntry(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic, withRemote)
	a := s.administrator()
	a.must("POST", "/provisioners", `{"type":"ACME","name":"other","details":{"ACME":{}}}`)
	other := a.must("GET", "/provisioners/other", nil)
	served := s.shown()
	open := strings.NewReplacer(`"other"`, `"intune"`)
	for name, test := range map[string]struct {
		method, path string
		body         any
		status       int
	}{
		"showing it":                         {"GET", "/provisioners/intune", nil, 400},
		"showing it by the id of a SCEP":     {"GET", "/provisioners/x?id=scep/intune", nil, 400},
		"showing it by its id":               {"GET", "/provisioners/x?id=intune-entry-of-ca.json/intune", nil, 404},
		"changing it":                        {"PUT", "/provisioners/intune", `{"id":"scep/intune","type":"SCEP","name":"intune","details":{"SCEP":{}}}`, 400},
		"renaming it":                        {"PUT", "/provisioners/intune", `{"type":"SCEP","name":"open","details":{"SCEP":{}}}`, 400},
		"deleting it":                        {"DELETE", "/provisioners/intune", nil, 400},
		"deleting it by the id of a SCEP":    {"DELETE", "/provisioners/x?id=scep/intune", nil, 400},
		"deleting it by its id":              {"DELETE", "/provisioners/x?id=intune-entry-of-ca.json/intune", nil, 404},
		"adding one of its name":             {"POST", "/provisioners", `{"type":"SCEP","name":"intune","details":{"SCEP":{}}}`, 400},
		"adding one of its id":               {"POST", "/provisioners", `{"type":"OIDC","name":"x","details":{"OIDC":{"clientId":"scep/intune","configurationEndpoint":"https://127.0.0.1:1/"}}}`, 400},
		"renaming another to its name":       {"PUT", "/provisioners/other", open.Replace(other), 400},
		"giving another its id":              {"PUT", "/provisioners/other", strings.Replace(other, `"id":"`, `"id":"scep/intune`, 1), 500},
		"adding a webhook":                   {"POST", "/provisioners/intune/webhooks", `{"name":"x","url":"https://127.0.0.1/","kind":"SCEPCHALLENGE"}`, 400},
		"changing its webhook":               {"PUT", "/provisioners/intune/webhooks/intune", `{"name":"intune","url":"https://127.0.0.1/","kind":"SCEPCHALLENGE"}`, 400},
		"deleting its webhook":               {"DELETE", "/provisioners/intune/webhooks/intune", nil, 400},
		"showing its policy":                 {"GET", "/provisioners/intune/policy", nil, 400},
		"giving it a policy":                 {"POST", "/provisioners/intune/policy", `{"x509":{"allow":{"dns":["*"]}}}`, 400},
		"changing its policy":                {"PUT", "/provisioners/intune/policy", `{"x509":{"allow":{"dns":["*"]}}}`, 400},
		"deleting its policy":                {"DELETE", "/provisioners/intune/policy", nil, 400},
		"making a device an administrator":   {"POST", "/admins", `{"subject":"device-1","provisioner":"intune","type":1}`, 400},
		"making a device super":              {"POST", "/admins", `{"subject":"device-1","provisioner":"intune","type":2}`, 400},
		"its account keys":                   {"GET", "/acme/eab/intune", nil, 400},
		"a policy of its account":            {"POST", "/acme/policy/intune/key/x", `{}`, 400},
		"another's policy, as stock step-ca": {"POST", "/provisioners/other/policy", `{"x509":{"allow":{"dns":["*.local"]}}}`, 501},
	} {
		if status, answer := a.call(test.method, test.path, test.body); status != test.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if now := s.shown(); now != served {
			t.Fatalf("%s: it is shown as %s, before as %s", name, now, served)
		}
	}
	if admins := a.must("GET", "/admins", nil); strings.Count(admins, `"subject"`) != 1 {
		t.Errorf("there are other administrators: %s", admins)
	}
	s.issue("device-1")
	s.restart(harness.StepCAIntune)
	s.issue("device-2")
}

// step-ca shows administrators every field of a provisioner in clear.
func TestAdministratorsSeeNoSecretOfAnIntuneEntry(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic, withRemote, func(_ map[string]any, o *harness.Options) { o.EllipticIntermediate = true })
	a := s.administrator()
	found := 0
	for cursor := ""; ; {
		var page struct {
			Provisioners []map[string]any
			NextCursor   string
		}
		if err := json.Unmarshal([]byte(a.must("GET", "/provisioners?limit=1&cursor="+cursor, nil)), &page); err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Provisioners {
			if p["name"] == "static" && (p["challenge"] != "open sesame" || p["decrypterKeyPEM"] == nil) {
				t.Errorf("stock step-ca hides secrets of its own by now: %v", p)
			}
			if p["name"] != intune {
				continue
			}
			found++
			if p["decrypterKeyPEM"] != nil || p["decrypterKey"] != nil || p["decrypterKeyPassword"] != nil {
				t.Error("the key of the decrypter is shown")
			}
			if challenge, _ := p["challenge"].(string); strings.Trim(challenge, "\ufffd") != "" {
				t.Errorf("the challenge is shown: %q", challenge)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if found != 1 {
		t.Errorf("the entry is listed %d times", found)
	}
	s.issue("device-1")
}

// The policy that administrators set holds for devices, with the names that step-ca's own
// check does not see, and after a start as well.
func TestThePolicyOfAdministratorsHoldsForDevices(t *testing.T) {
	t.Parallel()
	s := newSite(t, withRemote)
	a := s.administrator()
	s.issue("device-1")
	try := func(name string, want scep.PKIStatus) {
		t.Helper()
		c := s.connect(intune)
		csr := device.Windows("CN="+name, s.challenge(intunesim.Challenge{Subject: "CN=" + name}), device.UPN(name+"@contoso.example"))
		if result := s.send(c, s.prepare(c, csr)); result.Status != want {
			t.Errorf("%s got %s", name, describe(result))
		}
	}
	a.must("POST", "/policy", `{"x509":{"deny":{"commonNames":["badger"],"emails":["mallory@contoso.example"]}}}`)
	check := func() {
		t.Helper()
		try("device-2", scep.SUCCESS)
		try("mallory", scep.FAILURE) // by its UPN
		try("badger", scep.FAILURE)  // step-ca's own check lets a denied common name pass here
	}
	check()
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	s.restart(harness.StepCAIntune)
	check()
	a.must("DELETE", "/policy", nil)
	try("mallory", scep.SUCCESS)
	try("badger", scep.SUCCESS)
}

// A name that an Intune entry had is on certificates of devices.
func TestTheNameOfAnIntuneEntryIsKeptFromAdministrators(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic, withRemote)
	key := device.Keys(1)[0]
	c, csr := s.connect(intune), s.genuine("device-1")
	csr.Key = key
	issued := s.send(c, s.prepare(c, csr))
	s.edit(func(config map[string]any) {
		authority := config["authority"].(map[string]any)
		authority["provisioners"] = authority["provisioners"].([]any)[1:]
	})
	s.restart(harness.StepCAIntune)
	a := s.administrator()
	a.must("POST", "/provisioners", `{"type":"ACME","name":"other","details":{"ACME":{}}}`)
	other := a.must("GET", "/provisioners/other", nil)
	for name, call := range map[string]func() (int, string){
		"adding one": func() (int, string) {
			return a.call("POST", "/provisioners", `{"type":"ACME","name":"intune","details":{"ACME":{}}}`)
		},
		"renaming another": func() (int, string) {
			return a.call("PUT", "/provisioners/other", strings.Replace(other, `"other"`, `"intune"`, 1))
		},
	} {
		if status, answer := call(); status != 400 || !strings.Contains(answer, "choose another name") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	s.eventually("the other one under its old name", func() bool {
		status, answer := a.call("GET", "/provisioners/other", nil)
		return status == 200 && strings.Contains(answer, `"name":"other"`)
	})
	if s.shown() != "" {
		t.Error("there is a provisioner of the name")
	}
	status, body := s.do(s.post("/renew", nil), issued.Certificate, key)
	if status < 400 {
		t.Errorf("/renew answers %d %s", status, body)
	}
	s.restart(harness.StepCAIntune)
	a.must("DELETE", "/provisioners/other", nil)
}
