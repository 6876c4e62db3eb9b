package e2e

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// checkSecrets looks for the client secret, for every challenge and for every
// token in text, as a whole, in part and encoded.
func (s *site) checkSecrets(where, text string) {
	s.Helper()
	for _, name := range leaks(text, s.secrets()) {
		s.Errorf("%s holds %s", where, name)
	}
}

// checkListing looks for secrets in what step-ca tells everybody.
func (s *site) checkListing(ca *harness.CA) {
	s.Helper()
	answer, err := ca.HTTP.Get(ca.URL("/provisioners"))
	if err != nil {
		s.Error(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Error(err)
		return
	}
	s.checkSecrets("/provisioners", string(body))
}

// secrets returns what must not be found, by what it is.
func (s *site) secrets() map[string]string {
	secrets := map[string]string{"the client secret": intunesim.DefaultSecret}
	for _, c := range s.challenges {
		secrets["a challenge that begins with "+c[:6]] = c
	}
	if s.isGone() {
		return secrets
	}
	all, err := s.sim.Requests()
	if err != nil {
		s.Error(err)
	}
	for _, r := range all {
		if token, ok := strings.CutPrefix(r.Headers.Get("Authorization"), "Bearer "); ok {
			secrets["a token for "+string(r.Operation)] = token
		}
		if r.Operation != intunesim.OpToken {
			continue
		}
		if form, err := url.ParseQuery(r.Body); err == nil && form.Get("client_secret") != "" {
			secrets["a client secret that was sent"] = form.Get("client_secret")
		}
	}
	return secrets
}

// leaks returns the names of the secrets that text holds.
func leaks(text string, secrets map[string]string) []string {
	var found []string
	for name, secret := range secrets {
		for _, form := range forms(secret) {
			if strings.Contains(text, form) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}

// forms are the ways in which a secret could get into a log. Of a long one a
// part gives it away too; its beginning may be the same for all of its kind.
func forms(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))}
	if len(secret) > 200 {
		all = append(all, secret[len(secret)/2:len(secret)/2+40], secret[len(secret)-40:])
	}
	return all
}

func TestTheSearchForSecretsFindsThem(t *testing.T) {
	challenge := strings.Repeat("0123456789abcdefghij", 100)
	secrets := map[string]string{"secret": "s3cret+", "challenge": challenge}
	for name, text := range map[string]string{
		"secret":    `{"error":"invalid client secret s3cret+"}`,
		"challenge": "challenge=" + challenge[:1500] + "…",
	} {
		if found := leaks(text, secrets); len(found) != 1 || found[0] != name {
			t.Errorf("found %q in %.60q", found, text)
		}
	}
	if found := leaks("client_secret=s3cret%2B", secrets); len(found) != 1 {
		t.Error("an escaped secret is not found")
	}
	if found := leaks("nothing to see", secrets); len(found) != 0 {
		t.Errorf("found %q in nothing", found)
	}
}

// A whole enrolment, a refused one and a failed one, each with what it leaves in
// log and listing; every other test of this package looks too.
func TestNoSecretGetsOut(t *testing.T) {
	s := newSite(t)
	s.issue("device-1")

	c := s.connect(intune)
	refused := s.genuine("device-2")
	refused.Subject = "CN=administrator"
	s.send(c, s.prepare(c, refused))

	s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Status: http.StatusInternalServerError})
	s.send(c, s.prepare(c, s.genuine("device-3")))

	if len(s.secrets()) < 5 {
		t.Errorf("there were only %d secrets to look for", len(s.secrets()))
	}
	for _, want := range []string{`"level":"DEBUG"`, `"outcome":"issued"`, `"outcome":"refused"`, `"outcome":"unreported"`} {
		if !strings.Contains(s.ca.Output(), want) {
			t.Errorf("the log has no %s", want)
		}
	}
}
