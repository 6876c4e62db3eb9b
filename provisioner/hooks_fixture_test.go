package provisioner

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
	stepca "github.com/smallstep/certificates/webhook"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// device1 is the request of a device with the given challenge.
func device1(challenge string) device.CSR {
	return device.Windows("CN=device-0001", challenge, device.DNS("device-0001.contoso.com"))
}

// hookCall is a call that step-ca made to a webhook.
type hookCall struct {
	name string // last part of the path
	ctx  context.Context
	http *http.Request
	raw  []byte
	body stepca.RequestBody
}

// hookServer stands in for all webhook servers.
type hookServer struct {
	mu     sync.Mutex
	calls  []hookCall
	answer func(hookCall) (status int, body string)
}

const allowed, denied = `{"allow":true}`, `{"allow":false}`

// RoundTrip implements http.RoundTripper.
func (s *hookServer) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	call := hookCall{name: strings.TrimPrefix(r.URL.Path, "/"), ctx: r.Context(), http: r, raw: raw}
	if err := json.Unmarshal(raw, &call.body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	status, body := http.StatusOK, allowed
	if s.answer != nil {
		status, body = s.answer(call)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// named returns the calls to a webhook.
func (s *hookServer) named(name string) []hookCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	var calls []hookCall
	for _, c := range s.calls {
		if c.name == name {
			calls = append(calls, c)
		}
	}
	return calls
}

// hook is a webhook of an entry in ca.json. Its server is told by its name.
func hook(name, kind string) object {
	return object{"name": name, "url": "https://hooks.invalid/" + name, "kind": kind, "disableTLSClientAuth": true}
}

// hookSecret is the secret of all webhooks of serveHooks, in base64.
const hookSecret = "MDEyMzQ1Njc4OWFiY2RlZg=="

// serveHooks serves an ordinary SCEP provisioner "scep" without a challenge whose webhooks
// are answered by s.
func serveHooks(t testing.TB, s *hookServer, hooks ...object) *httptest.Server {
	t.Helper()
	entry := scepEntry("scep")
	delete(entry, "challenge")
	return serveHooksOf(t, s, entry, hooks...)
}

func serveHooksOf(t testing.TB, s *hookServer, entry object, hooks ...object) *httptest.Server {
	t.Helper()
	list := []any{}
	for _, h := range hooks {
		list = append(list, h)
	}
	plantInto(t, func(a *authority.Authority) {
		wrap := authority.WithTransportWrapper(func(*http.Transport) http.RoundTripper { return s })
		if err := wrap(a); err != nil {
			t.Error(err)
		}
		for _, p := range a.GetConfig().AuthorityConfig.Provisioners {
			for _, w := range p.(*provisioner.SCEP).Options.GetWebhooks() {
				w.Secret, w.ID = hookSecret, "id of "+w.Name
			}
		}
	})
	return serveCA(t, mustAuthority(t, writeCA(t, nil, with(entry, list, "options", "webhooks"))))
}

// show describes an answer. Printing the whole would panic: an unset scep.FailInfo cannot
// be printed.
func show(r *device.Result) string {
	issued := "no certificate"
	if r.Certificate != nil {
		issued = "certificate " + r.Certificate.Subject.String()
	}
	return "status " + string(r.Status) + ", " + issued + ", " + r.FailInfoText
}
