package intunesim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func download(maxRequests any, issuer any) object {
	return object{"downloadParameters": object{"maxRequests": maxRequests, "issuerName": issuer}}
}

func (c *caller) download(maxRequests int, issuer any) []any {
	c.t.Helper()
	status, answer := c.send(c.request(pkiPath+"downloadRevocationRequests", download(maxRequests, issuer)))
	value, ok := answer["value"].([]any)
	if status != http.StatusOK || !ok {
		c.t.Fatalf("download got %d %v", status, answer)
	}
	return value
}

func (c *caller) upload(status int, results ...any) {
	c.t.Helper()
	got, answer := c.send(c.request(pkiPath+"uploadRevocationResults", object{"results": results}))
	if got != status || status == http.StatusOK && answer["value"] != true {
		c.t.Errorf("upload of %v got %d %v, want %d", results, got, answer, status)
	}
}

func revoke(t testing.TB, sim *intunesim.Server, r intunesim.Revocation) string {
	t.Helper()
	context, err := sim.Revoke(r)
	if err != nil {
		t.Fatal(err)
	}
	return context
}

func TestARevocationGoesThere(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c, csr := validated(t, sim)
	c.code("successNotification", success("transaction-1", csr, nil))
	context := revoke(t, sim, intunesim.Revocation{SerialNumber: "0123456789ABCDEF"})
	got := c.download(500, "test-ca")
	if len(got) != 1 {
		t.Fatalf("downloaded %v", got)
	}
	for key, want := range map[string]any{
		"requestContext": context, "serialNumber": "0123456789ABCDEF",
		"issuerName": "CN=Test Intermediate CA, O=Test", "caConfiguration": "test-ca",
	} {
		if got[0].(object)[key] != want {
			t.Errorf("%s is %v, want %v", key, got[0].(object)[key], want)
		}
	}
	c.upload(http.StatusOK, object{"requestContext": context, "succeeded": true, "errorCode": "0"})
	if got := states(sim); got != "revoked" {
		t.Errorf("state %s", got)
	}
	all := sim.Revocations()
	if len(all) != 1 || all[0].State != intunesim.RevocationDone || len(all[0].Results) != 1 || !all[0].Results[0].Succeeded {
		t.Errorf("recorded %+v", all)
	}
	// A late notification does not make it good again.
	c.code("successNotification", success("transaction-1", csr, nil))
	c.code("failureNotification", failure("transaction-1", csr, nil))
	if got := states(sim); got != "revoked" {
		t.Errorf("state %s", got)
	}
}

func TestADownloadLocksForAnHour(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	for range 3 {
		revoke(t, sim, intunesim.Revocation{SerialNumber: "01", IssuerName: "CN=Test"})
	}
	for _, want := range []int{2, 1, 0} {
		if got := len(c.download(2, nil)); got != want {
			t.Fatalf("downloaded %d, want %d", got, want)
		}
	}
	sim.Advance(59 * time.Minute)
	if got := len(c.download(2, nil)); got != 0 {
		t.Errorf("downloaded %d after 59 minutes", got)
	}
	sim.Advance(time.Minute)
	c = newCaller(t, sim) // the first token has expired too
	if got := len(c.download(500, nil)); got != 3 {
		t.Errorf("downloaded %d after an hour", got)
	}
}

func TestTheFilterOfDownloads(t *testing.T) {
	for _, test := range []struct {
		issuer, caConfiguration string
		filter                  any
		want                    int
	}{
		{"CN=Test", "test-ca", nil, 1},
		{"CN=Test", "test-ca", "test-ca", 1},
		{"CN=Test", "test-ca", "CN=Test", 0},
		{"CN=Test", "", "CN=Test", 1},
		{"CN=Test", "", "test-ca", 0},
	} {
		sim := start(t, intunesim.Options{})
		c := newCaller(t, sim)
		revoke(t, sim, intunesim.Revocation{SerialNumber: "01", IssuerName: test.issuer, CAConfiguration: test.caConfiguration})
		got := c.download(1, test.filter)
		if len(got) != test.want {
			t.Errorf("%+v: %d", test, len(got))
		}
		if len(got) == 1 && test.caConfiguration == "" && got[0].(object)["caConfiguration"] != nil {
			t.Errorf("caConfiguration is not null: %v", got)
		}
	}
}

func TestResultsMustMakeSense(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	never := revoke(t, sim, intunesim.Revocation{SerialNumber: "01", IssuerName: "CN=Test", CAConfiguration: "other"})
	context := revoke(t, sim, intunesim.Revocation{SerialNumber: "02", IssuerName: "CN=Test", CAConfiguration: "mine"})
	c.download(1, "mine")
	const bad = http.StatusBadRequest
	c.upload(bad)
	c.upload(bad, object{"requestContext": "x", "succeeded": true, "errorCode": "0"})
	c.upload(bad, object{"requestContext": never, "succeeded": true, "errorCode": "0"})
	c.upload(bad, object{"requestContext": context, "succeeded": true, "errorCode": "4000"})
	c.upload(bad, object{"requestContext": context, "succeeded": false, "errorCode": "0"})
	c.upload(bad, object{"requestContext": context, "succeeded": false, "errorCode": "4008"})
	c.upload(bad, object{"requestContext": context, "succeeded": false, "errorCode": 4004})
	c.upload(bad, object{"requestContext": context, "succeeded": nil, "errorCode": "0"})
	c.upload(bad, object{"requestContext": context, "succeeded": true})
	c.upload(bad, object{"requestContext": context, "succeeded": true, "errorCode": "0", "reason": 1})
	c.upload(bad, object{"requestContext": context, "succeeded": false, "errorCode": "4000", "errorMessage": nil})
	c.upload(bad, object{"requestContext": context, "succeeded": true, "errorCode": "0"},
		object{"requestContext": "x", "succeeded": true, "errorCode": "0"}) // all or none
	for _, r := range sim.Revocations() {
		if len(r.Results) > 0 {
			t.Errorf("recorded %+v", r)
		}
	}
	c.upload(http.StatusOK, object{"requestContext": context, "succeeded": false, "errorCode": "4004", "errorMessage": "no such certificate"})
	if got := sim.Revocations()[1]; got.State != intunesim.RevocationDone || got.Results[0].ErrorCode != "4004" {
		t.Errorf("recorded %+v", got)
	}
}

func TestARetryableErrorComesAgain(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	context := revoke(t, sim, intunesim.Revocation{SerialNumber: "01", IssuerName: "CN=Test"})
	c.download(1, nil)
	c.upload(http.StatusOK, object{"requestContext": context, "succeeded": false, "errorCode": "4102"})
	if got := len(c.download(1, nil)); got != 0 {
		t.Errorf("downloaded %d while locked", got)
	}
	sim.Advance(time.Hour)
	if got := len(newCaller(t, sim).download(1, nil)); got != 1 {
		t.Errorf("downloaded %d", got)
	}
}

func TestDownloadsAreStrict(t *testing.T) {
	c := newCaller(t, start(t, intunesim.Options{}))
	for name, body := range map[string]any{
		"none":         object{},
		"zero":         download(0, nil),
		"501":          download(501, nil),
		"text":         download("1", nil),
		"null":         download(nil, nil),
		"empty issuer": download(1, ""),
		"unknown key":  object{"downloadParameters": object{"maxRequests": 1, "max": 1}},
	} {
		if status, answer := c.send(c.request(pkiPath+"downloadRevocationRequests", body)); status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
}
