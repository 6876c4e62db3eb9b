package intunesim_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func dial(t testing.TB, sim *intunesim.Server) *intunesim.Control {
	t.Helper()
	control, err := intunesim.Dial(sim.URL(), sim.RootFile())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.HTTPClient().CloseIdleConnections)
	return control
}

// must returns a result whose error ends the test.
func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestControlDoesWhatTheServerDoes(t *testing.T) {
	sim := start(t, intunesim.Options{})
	control := dial(t, sim)
	c := newCaller(t, sim)

	challenge, err := control.NewChallenge(everything())
	check(t, err)
	csr := build(t, goodCSR(challenge))
	if got := c.validate("transaction-1", csr); got != "Success" {
		t.Errorf("a challenge over HTTP: %q", got)
	}
	challenge, err = control.NewChallenge(intunesim.Challenge{SANs: []intunesim.SAN{}})
	check(t, err)
	if got := c.validate("transaction-2", build(t, goodCSR(challenge))); got != "SubjectAltNameMismatch" {
		t.Errorf("an empty list over HTTP is no list: %q", got)
	}

	check(t, control.AddFault(intunesim.Fault{Operation: intunesim.OpSuccess, Code: "Unknown", Delay: time.Millisecond}))
	if got := c.code("successNotification", success("transaction-1", csr, nil)); got != "Unknown" {
		t.Errorf("a fault over HTTP: %q", got)
	}
	check(t, control.ClearFaults())
	if got := c.code("successNotification", success("transaction-1", csr, nil)); got != "Success" {
		t.Errorf("no fault over HTTP: %q", got)
	}
	if got := must[[]intunesim.Certificate](t)(control.Certificates()); !reflect.DeepEqual(got, sim.Certificates()) || len(got) != 1 {
		t.Errorf("certificates: %+v", got)
	}

	got, want := must[[]intunesim.Request](t)(control.Requests()), sim.Requests()
	if len(got) != 5 || len(want) != 5 {
		t.Fatalf("%d and %d requests", len(got), len(want))
	}
	for i := range got {
		got[i].Time, want[i].Time = time.Time{}, time.Time{}
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("request %+v, want %+v", got[i], want[i])
		}
	}
	check(t, control.ClearRequests())
	if got := must[[]intunesim.Request](t)(control.Requests()); len(got) != 0 {
		t.Errorf("%d requests", len(got))
	}
	stats := must[intunesim.Stats](t)(control.Stats())
	if stats.Calls[intunesim.OpValidate] != 2 || stats.Calls[intunesim.OpToken] != 1 || stats.Connections != 2 || stats.Handshakes != 2 {
		t.Errorf("stats: %+v", stats)
	}

	context, err := control.Revoke(intunesim.Revocation{SerialNumber: "0123456789ABCDEF"})
	check(t, err)
	if got := must[[]intunesim.Revocation](t)(control.Revocations()); len(got) != 1 || got[0].RequestContext != context {
		t.Errorf("revocations: %+v", got)
	}
	check(t, control.SetServices([]intunesim.Service{{ProviderName: "A", URI: "https://b.example"}}, 0))
	if got, _ := services(t, sim); !slices.Equal(got, []string{"A https://b.example"}) {
		t.Errorf("services: %v", got)
	}
	check(t, control.SetServices(nil, 0))
	check(t, control.Untarget("device-1"))
	if got := c.validate("transaction-1", csr); got != "ScepProfileNoLongerTargetedToTheClient" {
		t.Errorf("after untarget: %q", got)
	}
	check(t, control.Remove(intunesim.Removal{DeviceID: "device-1"}))
	if got := c.validate("transaction-1", csr); got != "BadDeviceIdInChallenge" {
		t.Errorf("after remove: %q", got)
	}
	check(t, control.Advance(59*time.Minute))
	if ahead := time.Until(sim.Now()); ahead < 58*time.Minute {
		t.Errorf("the clock is ahead by %s", ahead)
	}
}

func TestControlChangesTheApplication(t *testing.T) {
	sim := start(t, intunesim.Options{})
	control := dial(t, sim)
	check(t, control.SetSecrets([]string{"new"}, []string{intunesim.DefaultSecret}))
	form := secretForm(sim.URL() + "//.default")
	_, answer := postForm(t, sim, intunesim.DefaultTenant, form)
	checkAADSTS(t, answer, 7000222, "invalid_client")
	form.Set("client_secret", "new")
	check(t, control.SetTokens(intunesim.Tokens{Lifetime: 2 * time.Minute, IntuneRoles: []string{}}))
	status, answer := postForm(t, sim, intunesim.DefaultTenant, form)
	if status != 200 || answer["expires_in"] != 119.0 {
		t.Errorf("got %d %v", status, answer)
	}
	c := &caller{t, sim, answer["access_token"].(string)}
	if status, _ := c.send(c.request(scepPath+"validateRequest", object{})); status != 403 {
		t.Errorf("without roles: %d", status)
	}

	key := device.Keys(1)[0]
	certificate := registered(t, key, time.Now().Add(time.Hour))
	check(t, control.SetCertificates(certificate))
	check(t, control.SetFederations(intunesim.Federation{Issuer: "https://issuer.example", Subject: "ca", Key: key.Public()}))
	for name, credential := range credentials(t, key, certificate) {
		if name == "secret" {
			continue // no longer the default one
		}
		if _, err := msal(t, sim, credential, false).AcquireTokenByCredential(t.Context(), []string{sim.URL() + "//.default"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := control.SetFederations(intunesim.Federation{Key: key.Public()}); err == nil {
		t.Error("a federation without issuer was taken")
	}
}

func TestControlRequestsAreStrict(t *testing.T) {
	sim := start(t, intunesim.Options{})
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "stats", "", 200},
		{"POST", "challenges", `{}`, 200},
		{"POST", "challenges", `{"subjct":"CN=a"}`, 400},
		{"POST", "challenges", `{"subject":"a"}`, 400},
		{"POST", "challenges", `{"expiresIn":3600}`, 400},
		{"POST", "challenges", `{}{}`, 400},
		{"GET", "challenges", "", 405},
		{"POST", "faults", `{"operation":"validateRequest","times":1,"status":503,"retryAfter":"2s","code":"SubjectNameMismatch","body":"…","delay":"500ms","drop":true}`, 204},
		{"DELETE", "faults", "", 204},
		{"POST", "faults", `{"operation":"validate"}`, 400},
		{"POST", "faults", `{"operation":"token","times":"1"}`, 400},
		{"DELETE", "requests", "", 204},
		{"POST", "requests", "{}", 405},
		{"POST", "revocations", `{"serialNumber":"01","issuerName":"CN=a","caConfiguration":"b"}`, 200},
		{"POST", "revocations", `{"serialNumber":"02"}`, 400},
		{"POST", "revocations", `{}`, 400},
		{"POST", "untarget", `{"deviceID":"a"}`, 204},
		{"POST", "untarget", `{}`, 400},
		{"POST", "tokens", `{"lifetime":"1h","intuneRoles":["scep_challenge_provider"],"graphRoles":[]}`, 204},
		{"POST", "tokens", `{"lifetime":"-1h"}`, 400},
		{"POST", "secrets", `{"valid":["a"],"expired":["b"]}`, 204},
		{"POST", "credentials", `{"certificates":["a"]}`, 400},
		{"POST", "clock", `{"advance":"1m"}`, 204},
		{"GET", "everything", "", 404},
	} {
		req, err := http.NewRequest(test.method, sim.URL()+"/_sim/"+test.path, strings.NewReader(test.body))
		check(t, err)
		resp, err := sim.HTTPClient().Do(req)
		check(t, err)
		if resp.StatusCode != test.status {
			t.Errorf("%s %s %s: status %d, want %d", test.method, test.path, test.body, resp.StatusCode, test.status)
		}
		if resp.StatusCode == 400 {
			var refused struct{ Error string }
			if json.NewDecoder(resp.Body).Decode(&refused) != nil || refused.Error == "" {
				t.Errorf("%s %s: no reason", test.path, test.body)
			}
		}
		check(t, resp.Body.Close())
	}
	if calls := sim.Stats().Calls; len(calls) != 0 {
		t.Errorf("control requests are no calls: %v", calls)
	}
}
