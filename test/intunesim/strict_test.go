package intunesim_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestIntuneIsStrictAboutHeaders(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	csr := build(t, device.CSR{Challenge: newChallenge(t, sim, intunesim.Challenge{})})
	c.validate("transaction-1", csr)
	if _, err := sim.Revoke(intunesim.Revocation{SerialNumber: "01", IssuerName: "CN=Test"}); err != nil {
		t.Fatal(err)
	}
	calls := map[string]any{
		scepPath + "validateRequest":           validation("transaction-1", csr),
		scepPath + "successNotification":       success("transaction-1", csr, nil),
		scepPath + "failureNotification":       failure("transaction-1", csr, nil),
		pkiPath + "downloadRevocationRequests": object{"downloadParameters": object{"maxRequests": 1, "issuerName": nil}},
	}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"nothing wrong", func(*http.Request) {}, 200},
		{"a charset is allowed", func(r *http.Request) { r.Header["content-type"] = []string{"application/json; charset=UTF-8"} }, 200},
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }, 401},
		{"no api-version", func(r *http.Request) { delete(r.Header, "api-version") }, 400},
		{"another api-version", func(r *http.Request) { r.Header["api-version"] = []string{"1.0"} }, 400},
		{"no client-request-id", func(r *http.Request) { delete(r.Header, "client-request-id") }, 400},
		{"a client-request-id that is no UUID", func(r *http.Request) { r.Header["client-request-id"] = []string{"1"} }, 400},
		{"no UserAgent", func(r *http.Request) { delete(r.Header, "UserAgent") }, 400},
		{"an empty UserAgent", func(r *http.Request) { r.Header["UserAgent"] = []string{" "} }, 400},
		{"no content type", func(r *http.Request) { delete(r.Header, "content-type") }, 415},
		{"a form", func(r *http.Request) { r.Header["content-type"] = []string{"application/x-www-form-urlencoded"} }, 415},
		{"another charset", func(r *http.Request) { r.Header["content-type"] = []string{"application/json; charset=utf-16"} }, 415},
		{"PUT", func(r *http.Request) { r.Method = http.MethodPut }, 405},
		{"another operation", func(r *http.Request) { r.URL.Path += "s" }, 404},
		{"a slash more", func(r *http.Request) { r.URL.Path += "/" }, 404},
		{"another service", func(r *http.Request) { r.URL.Path = "/Other" + r.URL.Path }, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			for path, body := range calls {
				req := c.request(path, body)
				test.change(req)
				status, answer := c.send(req)
				if status != test.status {
					t.Errorf("%s: status %d, want %d: %v", path, status, test.status, answer)
				}
				if status == 200 {
					continue
				}
				failure, _ := answer["error"].(object)
				if message, _ := failure["message"].(string); failure["code"] == "" || !strings.Contains(message, "Activity ID") {
					t.Errorf("%s: no error of Microsoft's form: %v", path, answer)
				}
			}
		})
	}
}

func TestIntuneIsStrictAboutBodies(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	csr := build(t, device.CSR{Challenge: newChallenge(t, sim, intunesim.Challenge{})})
	if got := c.validate("t", csr); got != "Success" {
		t.Fatal(got)
	}
	with := func(body object, key string, value any) object {
		for _, inner := range body {
			inner.(object)[key] = value
			if value == (any(missing{})) {
				delete(inner.(object), key)
			}
		}
		return body
	}
	request := func(key string, value any) object { return with(validation("t", csr), key, value) }
	succ := func(key string, value any) object { return with(success("t", csr, nil), key, value) }
	fail := func(key string, value any) object { return with(failure("t", csr, nil), key, value) }
	const thumbprint, serial, expiry = "certificateThumbprint", "certificateSerialNumber", "certificateExpirationDateUtc"
	const byHand = `{"request":{"transactionId":"t","callerInfo":"%s","certificateRequest":"%s"}}`
	encoded := base64.StdEncoding.EncodeToString(csr)
	for _, test := range []struct {
		name, operation string
		body            any
		good            bool
	}{
		{"no JSON", "validateRequest", "", false},
		{"an array", "validateRequest", "[]", false},
		{"cut off", "validateRequest", `{"request":{"transactionId":"t"`, false},
		{"two objects", "validateRequest", `{"request":{}}{}`, false},
		{"a body put together by hand is good", "validateRequest", fmt.Sprintf(byHand, "a", encoded), true},
		{"not UTF-8", "validateRequest", fmt.Sprintf(byHand, "\xff", encoded), false},
		{"a repeated key", "validateRequest", fmt.Sprintf(byHand, `a","callerInfo":"a`, encoded), false},
		{"nothing inside", "validateRequest", object{}, false},
		{"null inside", "validateRequest", object{"request": nil}, false},
		{"a notification's envelope", "validateRequest", object{"notification": object{}}, false},
		{"a key in another case", "validateRequest", object{"Request": validation("t", csr)["request"]}, false},
		{"an unknown key", "validateRequest", request("hResult", 1), false},
		{"no transaction id", "validateRequest", request("transactionId", missing{}), false},
		{"an empty transaction id", "validateRequest", request("transactionId", ""), false},
		{"a number as transaction id", "validateRequest", request("transactionId", 7), false},
		{"no caller", "validateRequest", request("callerInfo", missing{}), false},
		{"an empty caller", "validateRequest", request("callerInfo", ""), false},
		{"no certificate request", "validateRequest", request("certificateRequest", missing{}), false},
		{"a transaction id of any characters is allowed", "validateRequest", request("transactionId", "a+/b== äöü \u0000"), true},

		{"an empty transaction id", "successNotification", succ("transactionId", ""), false},
		{"an unknown key", "successNotification", succ("hResult", 1), false},
		{"no CA configuration is allowed", "successNotification", succ("caConfiguration", missing{}), true},
		{"no CA is allowed", "successNotification", succ("certificateAuthority", missing{}), true},
		{"a CA configuration of null", "successNotification", succ("caConfiguration", nil), false},
		{"an empty CA configuration", "successNotification", succ("caConfiguration", ""), false},
		{"a CA of null", "successNotification", succ("certificateAuthority", nil), false},
		{"an empty CA", "successNotification", succ("certificateAuthority", ""), false},
		{"a thumbprint in lower case", "successNotification", succ(thumbprint, strings.Repeat("ab", 20)), false},
		{"a thumbprint with colons", "successNotification", succ(thumbprint, "AB:CD"), false},
		{"a thumbprint of SHA-256", "successNotification", succ(thumbprint, strings.Repeat("AB", 32)), false},
		{"a serial number in lower case", "successNotification", succ(serial, "abcdef"), false},
		{"a serial number with its sign byte", "successNotification", succ(serial, "00FF"), false},
		{"a serial number that is too long", "successNotification", succ(serial, strings.Repeat("A", 41)), false},
		{"a serial number of 20 octets is allowed", "successNotification", succ(serial, strings.Repeat("7A", 20)), true},
		{"a decimal serial number cannot be told", "successNotification", succ(serial, "1234"), true},
		{"an expiry without fraction", "successNotification", succ(expiry, "2027-06-11T16:11:20Z"), false},
		{"an expiry of seven digits is allowed", "successNotification", succ(expiry, "2027-06-11T16:11:20.0904778Z"), true},
		{"an expiry with an offset", "successNotification", succ(expiry, "2027-06-11T16:11:20.090+02:00"), false},
		{"an expiry in no month", "successNotification", succ(expiry, "2027-13-11T16:11:20.090Z"), false},
		{"an expiry in seconds", "successNotification", succ(expiry, 1812729080), false},
		{"an issuer that is no name", "successNotification", succ("issuingCertificateAuthority", "Test CA"), false},
		{"an issuer in the form of OpenSSL", "successNotification", succ("issuingCertificateAuthority", "/CN=Test"), false},
		{"an empty issuer", "successNotification", succ("issuingCertificateAuthority", ""), false},

		{"hResult 0", "failureNotification", fail("hResult", 0), false},
		{"an unsigned hResult", "failureNotification", fail("hResult", 0x8000ffff), false},
		{"hResult beyond 32 bits", "failureNotification", fail("hResult", -2147483649), false},
		{"the smallest hResult is allowed", "failureNotification", fail("hResult", -2147483648), true},
		{"hResult as text", "failureNotification", fail("hResult", "0x8000ffff"), false},
		{"hResult with a fraction", "failureNotification", fail("hResult", 1.5), false},
		{"hResult null", "failureNotification", fail("hResult", nil), false},
		{"no description", "failureNotification", fail("errorDescription", missing{}), false},
		{"an empty description", "failureNotification", fail("errorDescription", ""), false},
		{"255 characters are allowed", "failureNotification", fail("errorDescription", strings.Repeat("ä", 255)), true},
		{"256 characters", "failureNotification", fail("errorDescription", strings.Repeat("a", 256)), false},
	} {
		t.Run(test.operation+" with "+test.name, func(t *testing.T) {
			status, answer := c.send(c.request(scepPath+test.operation, test.body))
			want := http.StatusBadRequest
			if test.good {
				want = http.StatusOK
			}
			if status != want {
				t.Errorf("status %d, want %d: %v", status, want, answer)
			}
			if test.good && answer["code"] != "Success" {
				t.Errorf("answer %v", answer)
			}
		})
	}
}

func TestGraphIsStrict(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := &caller{t, sim, getToken(t, sim, sim.URL()+"/.default")}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"nothing wrong", func(*http.Request) {}, 200},
		{"no client-request-id", func(r *http.Request) { delete(r.Header, "client-request-id") }, 400},
		{"POST", func(r *http.Request) { r.Method = http.MethodPost }, 405},
		{"an application without service principal", func(r *http.Request) {
			r.URL.Path = strings.Replace(endpoint, "0000000a-0000-0000-c000-000000000000", uuid.NewString(), 1)
		}, 404},
		{"another path", func(r *http.Request) { r.URL.Path = "/v1.0/me" }, 404},
	} {
		req := c.request(endpoint, "")
		req.Method = http.MethodGet
		test.change(req)
		if status, answer := c.send(req); status != test.status {
			t.Errorf("%s: status %d, want %d: %v", test.name, status, test.status, answer)
		}
	}
}

func TestEntraKnowsOneTenantOnly(t *testing.T) {
	sim := start(t, intunesim.Options{Tenant: "fabrikam.onmicrosoft.com"})
	for tenant, want := range map[string]int{"fabrikam.onmicrosoft.com": 200, sim.TenantID(): 200, intunesim.DefaultTenant: 400} {
		resp, err := sim.HTTPClient().Get(sim.URL() + "/" + tenant + "/v2.0/.well-known/openid-configuration")
		if err != nil {
			t.Fatal(err)
		}
		if answer := readJSON(t, resp); resp.StatusCode != want {
			t.Errorf("%s: %s %v", tenant, resp.Status, answer)
		}
	}
}

func TestInstanceDiscoveryKnowsTheSimulatorOnly(t *testing.T) {
	sim := start(t, intunesim.Options{})
	for query, want := range map[string]int{
		"api-version=1.1&authorization_endpoint=" + sim.URL() + "/t/oauth2/v2.0/authorize":              200,
		"api-version=1.1&authorization_endpoint=https://login.example/t/oauth2/v2.0/authorize":          400,
		"api-version=9&authorization_endpoint=" + sim.URL() + "/t/oauth2/v2.0/authorize":                400,
		"authorization_endpoint=" + strings.Replace(sim.URL(), "s", "", 1) + "/t/oauth2/v2.0/authorize": 400,
	} {
		resp, err := sim.HTTPClient().Get(sim.URL() + "/common/discovery/instance?" + query)
		if err != nil {
			t.Fatal(err)
		}
		if answer := readJSON(t, resp); resp.StatusCode != want {
			t.Errorf("%s: %s %v", query, resp.Status, answer)
		}
	}
}
