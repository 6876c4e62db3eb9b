package provisioner

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/go-chi/chi/v5"
	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
	stepca "github.com/smallstep/certificates/webhook"
	"github.com/smallstep/scep"
)

func TestStepCAWrapsTheTransportOfHooksWithoutTLSClientAuthOnly(t *testing.T) {
	wrapper, ordinary := new(hookServer), new(hookServer)
	plantInto(t, func(a *authority.Authority) {
		wrap := authority.WithTransportWrapper(func(*http.Transport) http.RoundTripper { return wrapper })
		client := authority.WithWebhookClient(&http.Client{Transport: ordinary})
		if err := errors.Join(wrap(a), client(a)); err != nil {
			t.Error(err)
		}
	})
	inside, outside := hook("inside", "SCEPCHALLENGE"), with(hook("outside", "NOTIFYING"), false, "disableTLSClientAuth")
	entry := with(scepEntry("scep"), []any{inside, outside}, "options", "webhooks")
	server := serveCA(t, mustAuthority(t, writeCA(t, nil, entry)))
	enrol(t, connect(t, server, "scep"), device1("x"))
	if len(wrapper.named("inside")) != 1 || len(wrapper.named("outside")) != 0 {
		t.Errorf("the wrapper saw %d calls", len(wrapper.calls))
	}
	if len(ordinary.named("outside")) != 1 || len(ordinary.named("inside")) != 0 {
		t.Errorf("the ordinary transport saw %d calls", len(ordinary.calls))
	}
}

func TestStepCASignsTheBodyOfAHookCall(t *testing.T) {
	s := new(hookServer)
	server := serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING"))
	enrol(t, connect(t, server, "scep"), device1("x"))
	key, err := base64.StdEncoding.DecodeString(hookSecret)
	if err != nil || len(s.calls) != 2 {
		t.Fatal(err, len(s.calls))
	}
	for _, c := range s.calls {
		mac := hmac.New(sha256.New, key)
		mac.Write(c.raw)
		if got := c.http.Header.Get("X-Smallstep-Signature"); got != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("%s: signature %q", c.name, got)
		}
		if got := c.http.Header.Get("X-Smallstep-Webhook-ID"); got != "id of "+c.name || c.http.Method != http.MethodPost {
			t.Errorf("%s: id %q, method %s", c.name, got, c.http.Method)
		}
		if c.body.Timestamp.IsZero() {
			t.Errorf("%s: no time stamp", c.name)
		}
	}
}

func TestStepCATellsTheHooksThis(t *testing.T) {
	s := new(hookServer)
	server := serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING"))
	c := connect(t, server, "scep")
	r, err := device1("the challenge").Build()
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Prepare(r)
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.Send(t.Context(), m)
	if err != nil || result.Certificate == nil {
		t.Fatal(err)
	}
	ask, tell := s.calls[0].body, s.calls[1].body
	if ask.ProvisionerName != "scep" || ask.SCEPChallenge != "the challenge" || ask.SCEPTransactionID != m.TransactionID ||
		!bytes.Equal(ask.X509CertificateRequest.Raw, r.DER) || ask.X509Certificate != nil {
		t.Errorf("SCEPCHALLENGE tells %+v", ask)
	}
	if tell.ProvisionerName != "" || tell.SCEPChallenge != "" || tell.SCEPTransactionID != m.TransactionID ||
		!bytes.Equal(tell.X509CertificateRequest.Raw, r.DER) || !bytes.Equal(tell.X509Certificate.Raw, result.Certificate.Raw) {
		t.Errorf("NOTIFYING tells %+v", tell)
	}
	if s.calls[0].http.Header.Get("X-Request-Id") == "" {
		t.Error("SCEPCHALLENGE has no request id")
	}
}

func TestStepCAMakesOneRouteContextForAllHooksOfARequest(t *testing.T) {
	s := new(hookServer)
	kinds := []string{"SCEPCHALLENGE", "ENRICHING", "AUTHORIZING", "NOTIFYING"}
	var hooks []object
	for _, kind := range kinds {
		hooks = append(hooks, hook(kind, kind))
	}
	enrol(t, connect(t, serveHooks(t, s, hooks...), "scep"), device1("x"))
	if len(s.calls) != len(kinds) {
		t.Fatalf("%d calls", len(s.calls))
	}
	for i, c := range s.calls {
		route := chi.RouteContext(c.ctx)
		if c.name != kinds[i] || route == nil || route != chi.RouteContext(s.calls[0].ctx) {
			t.Errorf("call %d, to %s, has route context %p", i, c.name, route)
		}
		if _, ok := authority.FromContext(c.ctx); !ok {
			t.Errorf("%s: not the context of the SCEP request", c.name)
		}
	}
}

func TestStepCASetsNoTimeoutForSCEPHooks(t *testing.T) {
	s := new(hookServer)
	server := serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("enrich", "ENRICHING"), hook("tell", "NOTIFYING"))
	enrol(t, connect(t, server, "scep"), device1("x"))
	for _, c := range s.calls {
		if _, bounded := c.ctx.Deadline(); bounded != (c.name == "enrich") {
			t.Errorf("%s: bounded %t", c.name, bounded)
		}
	}
}

func TestStepCACallsAHookOnTheGoroutineOfTheRequest(t *testing.T) {
	// http.Client.Do calls a RoundTripper where it is: the hook ends before the request,
	// whose route context is thus still its own.
	var inside bool
	client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		defer func() { inside = true }()
		panic("the caller's")
	})}
	func() {
		defer func() { _ = recover() }()
		_, _ = new(provisioner.Webhook).DoWithContext(t.Context(), client, nil, new(stepca.RequestBody), nil)
	}()
	if !inside {
		t.Error("not called")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestStepCARepeatsAHookCallOnceAfterAServerError(t *testing.T) {
	for name, answer := range map[string]func(hookCall) (int, string){
		"500": func(hookCall) (int, string) { return http.StatusInternalServerError, "" },
		"503": func(hookCall) (int, string) { return http.StatusServiceUnavailable, "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &hookServer{answer: answer}
				w := &provisioner.Webhook{Name: "x", URL: "https://hooks.invalid/x"}
				_, err := w.DoWithContext(t.Context(), &http.Client{Transport: s}, nil, new(stepca.RequestBody), nil)
				if err == nil || len(s.calls) != 2 {
					t.Fatalf("%d calls, %v", len(s.calls), err)
				}
				// The same signature again: the replay guard would refuse it.
				if a, b := s.calls[0].http.Header, s.calls[1].http.Header; a.Get("X-Smallstep-Signature") != b.Get("X-Smallstep-Signature") {
					t.Error("the repeated call is signed anew")
				}
			})
		})
	}
}

func TestStepCADoesNotRepeatAHookCallThatIsAnswered(t *testing.T) {
	s := &hookServer{answer: func(hookCall) (int, string) { return http.StatusOK, denied }}
	w := &provisioner.Webhook{Name: "x", URL: "https://hooks.invalid/x"}
	r, err := w.DoWithContext(t.Context(), &http.Client{Transport: s}, nil, new(stepca.RequestBody), nil)
	if err != nil || r.Allow || len(s.calls) != 1 {
		t.Errorf("%d calls, %+v, %v", len(s.calls), r, err)
	}
}

func TestStepCAReadsTheURLOfAHookAsATemplate(t *testing.T) {
	s := new(hookServer)
	w := &provisioner.Webhook{Name: "x", URL: "https://hooks.invalid/{{ 6 }}"}
	if _, err := w.DoWithContext(t.Context(), &http.Client{Transport: s}, nil, new(stepca.RequestBody), nil); err != nil || s.calls[0].name != "6" {
		t.Errorf("called %q, %v", s.calls[0].name, err)
	}
}

func TestStepCATakesOneAllowOfManyChallengeHooks(t *testing.T) {
	answer := map[string]string{"no": denied, "yes": allowed}
	s := &hookServer{answer: func(c hookCall) (int, string) { return http.StatusOK, answer[c.name] }}
	server := serveHooks(t, s, hook("no", "SCEPCHALLENGE"), hook("yes", "SCEPCHALLENGE"))
	if r := enrol(t, connect(t, server, "scep"), device1("x")); r.Certificate == nil {
		t.Error("refused")
	}
	s.answer = func(c hookCall) (int, string) {
		if c.name == "yes" {
			return http.StatusOK, allowed
		}
		return http.StatusForbidden, ""
	}
	if r := enrol(t, connect(t, server, "scep"), device1("x")); r.Certificate != nil {
		t.Error("an error of one hook does not deny")
	}
}

func TestStepCAComparesChallengesOfAProvisionerWithoutHook(t *testing.T) {
	for name, test := range map[string]struct {
		configured, sent string
		issued           bool
	}{
		"none and none are equal":          {"", "", true},
		"none and some differ":             {"", "x", false},
		"some and none differ":             {"random", "", false},
		"some and the same are equal":      {"random", "random", true},
		"a random one closes the entrance": {"random", "guess", false},
	} {
		t.Run(name, func(t *testing.T) {
			server := serveCA(t, mustAuthority(t, writeCA(t, nil, with(scepEntry("scep"), test.configured, "challenge"))))
			if r := enrol(t, connect(t, server, "scep"), device1(test.sent)); (r.Certificate != nil) != test.issued {
				t.Errorf("got %s", show(r))
			}
		})
	}
}

func TestStepCATakesRenewalRequestsThroughTheSameHook(t *testing.T) {
	s := &hookServer{answer: func(hookCall) (int, string) { return http.StatusOK, denied }}
	c := connect(t, serveHooks(t, s, hook("ask", "SCEPCHALLENGE")), "scep")
	for _, get := range []bool{false, true} {
		r, err := device1("x").Build()
		if err != nil {
			t.Fatal(err)
		}
		r.MessageType = scep.RenewalReq
		m, err := c.Prepare(r)
		if err != nil {
			t.Fatal(err)
		}
		client := *c
		client.UseGET = get
		result, err := client.Send(t.Context(), m)
		if err != nil || result.Status != scep.FAILURE || result.HTTPStatus != http.StatusOK {
			t.Errorf("got %s, %v", show(result), err)
		}
	}
	if len(s.named("ask")) != 2 {
		t.Errorf("asked %d times", len(s.calls))
	}
}

func TestStepCAShowsTheWebhooksDataToTemplates(t *testing.T) {
	s := &hookServer{answer: func(hookCall) (int, string) {
		return http.StatusOK, `{"allow":true,"data":{"name":"from the hook"}}`
	}}
	entry := with(scepEntry("scep"), `{"subject":{"commonName":{{ toJson .Webhooks.intune.name }}}}`, "options", "x509", "template")
	server := serveHooksOf(t, s, entry, hook("intune", "SCEPCHALLENGE"))
	r := enrol(t, connect(t, server, "scep"), device1("x"))
	if r.Certificate == nil || r.Certificate.Subject.CommonName != "from the hook" {
		t.Errorf("got %s", show(r))
	}
}
