package provisioner

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/db"
	"github.com/smallstep/certificates/server"
	"github.com/smallstep/scep"
)

func TestStepCANotifiesOfAnErrorOfCreateCertificate(t *testing.T) {
	s := new(hookServer)
	plantRecorder(t, func(r *recorder, _ *authority.Authority) { r.err = errors.New("no signature today") })
	r := enrol(t, connect(t, serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING")), "scep"), device1("x"))
	if r.Status != scep.FAILURE || r.HTTPStatus != http.StatusOK {
		t.Errorf("the device gets %s", show(r))
	}
	calls := s.named("tell")
	if len(calls) != 1 {
		t.Fatalf("notified %d times", len(calls))
	}
	b := calls[0].body
	if b.SCEPErrorCode != 0 || !strings.Contains(b.SCEPErrorDescription, "no signature today") || b.X509Certificate != nil {
		t.Errorf("notified of %+v", b)
	}
}

// unstorable is a database that stores no certificate.
type unstorable struct{ db.AuthDB }

func (unstorable) StoreCertificateChain(provisioner.Interface, ...*x509.Certificate) error {
	return errors.New("disk full")
}

func TestStepCANotifiesOfAFailureToStore(t *testing.T) {
	s := new(hookServer)
	plantInto(t, func(a *authority.Authority) {
		if err := authority.WithDatabase(unstorable{a.GetDatabase()})(a); err != nil {
			t.Error(err)
		}
	})
	r := enrol(t, connect(t, serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING")), "scep"), device1("x"))
	calls := s.named("tell")
	if r.Certificate != nil || len(calls) != 1 || !strings.Contains(calls[0].body.SCEPErrorDescription, "disk full") {
		t.Errorf("got %s, %d notifications", show(r), len(calls))
	}
}

func TestStepCADoesNotNotifyOfARefusedChallenge(t *testing.T) {
	s := &hookServer{answer: func(hookCall) (int, string) { return http.StatusOK, denied }}
	r := enrol(t, connect(t, serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING")), "scep"), device1("x"))
	if r.Status != scep.FAILURE || len(s.named("ask")) != 1 || len(s.named("tell")) != 0 {
		t.Errorf("got %s, %d calls", show(r), len(s.calls))
	}
	if !strings.Contains(r.FailInfoText, "webhook server did not allow request") {
		t.Errorf("the device hears %q", r.FailInfoText)
	}
}

func TestStepCAIgnoresTheResultOfANotification(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"denied":     {http.StatusOK, denied},
		"status 400": {http.StatusBadRequest, ""},
		"not JSON":   {http.StatusOK, "?"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &hookServer{answer: func(c hookCall) (int, string) {
				if c.name == "tell" {
					return answer.status, answer.body
				}
				return http.StatusOK, allowed
			}}
			r := enrol(t, connect(t, serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING")), "scep"), device1("x"))
			if r.Certificate == nil || len(s.named("tell")) != 1 {
				t.Errorf("got %s", show(r))
			}
		})
	}
}

func TestStepCAStopsAtTheFirstNotificationThatFails(t *testing.T) {
	s := &hookServer{answer: func(c hookCall) (int, string) {
		if c.name == "first" {
			return http.StatusBadRequest, ""
		}
		return http.StatusOK, allowed
	}}
	server := serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("first", "NOTIFYING"), hook("second", "NOTIFYING"))
	enrol(t, connect(t, server, "scep"), device1("x"))
	if len(s.named("first")) != 1 || len(s.named("second")) != 0 {
		t.Errorf("%d and %d calls", len(s.named("first")), len(s.named("second")))
	}
}

func TestStepCAGoesOnWhenTheDeviceHangsUp(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	told := make(chan hookCall, 1)
	s := &hookServer{answer: func(c hookCall) (int, string) {
		if c.name == "ask" {
			hangUp()
			<-c.ctx.Done() // the request's context ends with the connection
			return http.StatusOK, allowed
		}
		told <- c
		return http.StatusOK, allowed
	}}
	var recorded *recorder
	plantRecorder(t, func(r *recorder, _ *authority.Authority) { recorded = r })
	c := connect(t, serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING")), "scep")
	if _, err := c.Enrol(ctx, device1("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("the device got %v", err)
	}
	notification := <-told
	if len(recorded.requests) != 1 || notification.body.X509Certificate == nil || notification.ctx.Err() == nil {
		t.Errorf("%d certificates, notification %+v", len(recorded.requests), notification.body)
	}
}

func TestStepCACallsNoHookForWhatItCannotRead(t *testing.T) {
	s := new(hookServer)
	ca := serveHooks(t, s, hook("ask", "SCEPCHALLENGE"), hook("tell", "NOTIFYING"))
	for name, body := range map[string]string{"not CMS": "hello", "2 MB of zeros": string(make([]byte, 2<<20))} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ca.URL+"/scep/scep?operation=PKIOperation", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := ca.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, answer.Body)
			if answer.StatusCode != http.StatusInternalServerError || len(s.calls) != 0 {
				t.Errorf("status %d, %d calls", answer.StatusCode, len(s.calls))
			}
		})
	}
	broken := device1("x")
	broken.BreakSignature = true
	if r := enrol(t, connect(t, ca, "scep"), broken); r.HTTPStatus != http.StatusInternalServerError || len(s.calls) != 0 {
		t.Errorf("a broken signature: status %d, %d calls", r.HTTPStatus, len(s.calls))
	}
}

func TestStepCAEndsEveryAnswerAfter15Seconds(t *testing.T) {
	if s := server.New("", nil, nil); s.WriteTimeout != 15*time.Second || maxTimeout >= s.WriteTimeout {
		t.Errorf("it ends them after %s; an enrolment may take %s", s.WriteTimeout, maxTimeout)
	}
}

func TestStepCAShowsNeitherChallengeNorSecrets(t *testing.T) {
	entry := with(scepEntry("scep"), "sesame-open", "challenge")
	ca := serveHooksOf(t, new(hookServer), entry, hook("ask", "SCEPCHALLENGE"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ca.URL+"/provisioners", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ca.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(text), `"name":"scep"`) {
		t.Fatalf("%s, %v", text, err)
	}
	for _, secret := range []string{"sesame-open", hookSecret} {
		if strings.Contains(string(text), secret) {
			t.Errorf("/provisioners shows %q", secret)
		}
	}
}
