package intunesim_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

const (
	scepPath = "/RACerts/StatelessScepRequestValidationService/ScepActions/"
	pkiPath  = "/TrafficGateway/PkiConnectorFEService/CertificateAuthorityRequests/"
	endpoint = "/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints"
)

// start runs a simulator for the time of the test.
func start(t testing.TB, o intunesim.Options) *intunesim.Server {
	t.Helper()
	sim, err := intunesim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return sim
}

// caller is a well-behaved client, call by call.
type caller struct {
	t     testing.TB
	sim   *intunesim.Server
	token string
}

// newCaller has an Intune token.
func newCaller(t testing.TB, sim *intunesim.Server) *caller {
	t.Helper()
	return &caller{t, sim, getToken(t, sim, sim.URL()+"//.default")}
}

func secretForm(scope string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {intunesim.DefaultClientID},
		"client_secret": {intunesim.DefaultSecret}, "scope": {scope},
	}
}

func getToken(t testing.TB, sim *intunesim.Server, scope string) string {
	t.Helper()
	status, answer := postForm(t, sim, intunesim.DefaultTenant, secretForm(scope))
	token, _ := answer["access_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("no token: %d %v", status, answer)
	}
	return token
}

func postForm(t testing.TB, sim *intunesim.Server, tenant string, form url.Values) (int, map[string]any) {
	t.Helper()
	resp, err := sim.HTTPClient().PostForm(sim.URL()+"/"+tenant+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, readJSON(t, resp)
}

func readJSON(t testing.TB, resp *http.Response) map[string]any {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%s is not a JSON object: %q", resp.Status, body)
	}
	return answer
}

// request makes a call that nothing is wrong with.
func (c *caller) request(path string, body any) *http.Request {
	c.t.Helper()
	data, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		data = string(encoded)
	}
	req, err := http.NewRequest(http.MethodPost, c.sim.URL()+path, strings.NewReader(data))
	if err != nil {
		c.t.Fatal(err)
	}
	version := "2018-02-20"
	if strings.HasPrefix(path, pkiPath) {
		version = "5019-05-05"
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + c.token}, "content-type": {"application/json"},
		"client-request-id": {uuid.NewString()}, "api-version": {version}, "UserAgent": {"Test CA 1.0"},
	}
	return req
}

// send returns status and answer.
func (c *caller) send(req *http.Request) (int, map[string]any) {
	c.t.Helper()
	resp, err := c.sim.HTTPClient().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, readJSON(c.t, resp)
}

// code sends a call of the SCEP service that must get HTTP 200.
func (c *caller) code(operation string, body any) string {
	c.t.Helper()
	status, answer := c.send(c.request(scepPath+operation, body))
	code, _ := answer["code"].(string)
	if _, ok := answer["errorDescription"].(string); status != http.StatusOK || !ok {
		c.t.Fatalf("%s got %d %v", operation, status, answer)
	}
	return code
}

func (c *caller) validate(transaction string, csr []byte) string {
	c.t.Helper()
	return c.code("validateRequest", validation(transaction, csr))
}

// transportOf speaks one version of HTTP only.
func transportOf(sim *intunesim.Server, http2 bool) *http.Transport {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.RootPEM())
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP1(!http2)
	t.Protocols.SetHTTP2(http2)
	return t
}

type object = map[string]any

func validation(transaction string, csr []byte) object {
	return object{"request": object{
		"transactionId": transaction, "certificateRequest": base64.StdEncoding.EncodeToString(csr), "callerInfo": "Test CA 1.0",
	}}
}

// success is a correct success notification, with changes.
func success(transaction string, csr []byte, changes object) object {
	return notification(transaction, csr, object{
		"certificateThumbprint": strings.Repeat("AB", 20), "certificateSerialNumber": "0123456789ABCDEF",
		"certificateExpirationDateUtc": "2027-06-11T16:11:20.090Z", "issuingCertificateAuthority": "CN=Test Intermediate CA, O=Test",
		"caConfiguration": "test-ca", "certificateAuthority": "test-ca",
	}, changes)
}

// failure is a correct failure notification, with changes.
func failure(transaction string, csr []byte, changes object) object {
	return notification(transaction, csr, object{"hResult": -2147418113, "errorDescription": "the signer is on strike"}, changes)
}

// missing, as a change, leaves the property out.
type missing struct{}

func notification(transaction string, csr []byte, fields, changes object) object {
	all := validation(transaction, csr)["request"].(object)
	for _, more := range []object{fields, changes} {
		for key, value := range more {
			all[key] = value
			if value == (any(missing{})) {
				delete(all, key)
			}
		}
	}
	return object{"notification": all}
}

func newChallenge(t testing.TB, sim *intunesim.Server, c intunesim.Challenge) string {
	t.Helper()
	challenge, err := sim.NewChallenge(c)
	if err != nil {
		t.Fatal(err)
	}
	return challenge
}

func build(t testing.TB, csr device.CSR) []byte {
	t.Helper()
	request, err := csr.Build()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(request.DER)
}
