package e2e

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// operatorsHook is a webhook server of the operator's, which allows everything
// after answer has returned. It returns the options of a provisioner that uses it
// and what makes the CA trust it.
func operatorsHook(t *testing.T, kind string, answer func(r *http.Request)) (options map[string]any, trust func(map[string]any, *harness.Options)) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(r)
		_, _ = w.Write([]byte(`{"allow": true}`))
	}))
	t.Cleanup(server.Close)
	root := filepath.Join(t.TempDir(), "root.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(root, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return hook(kind, server.URL), func(_ map[string]any, o *harness.Options) {
		o.Env = append(o.Env, "SSL_CERT_FILE="+root)
	}
}

func hook(kind, url string) map[string]any {
	return map[string]any{"webhooks": []any{map[string]any{
		"id": "1b7ac1b1-ef5a-45c4-a7f7-3a2b1c0d9e8f", "name": "operator", "kind": kind, "url": url, "disableTLSClientAuth": true,
	}}}
}

// A device that hangs up between approval and signature: an operator's webhook
// stands between the two.
func TestADeviceThatHangsUpAfterApprovalGetsNoCertificate(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	options, trust := operatorsHook(t, "ENRICHING", func(r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else this server does not notice either
		hangUp()
		select {
		case <-r.Context().Done(): // the CA has noticed
		case <-time.After(5 * time.Second):
		}
	})
	s := newSite(t, trust, func(entry map[string]any, _ *harness.Options) { entry["options"] = options })
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-1"))
	if _, err := c.Send(ctx, m); err == nil {
		t.Fatal("the device got an answer")
	}
	s.outcome(m.TransactionID)
	if stored := s.stored(); len(stored) != 0 {
		t.Errorf("step-ca stored %d certificates", len(stored))
	}
	if n := len(s.calls(intunesim.OpSuccess)); n != 0 {
		t.Errorf("Intune received %d success notifications", n)
	}
	if n := len(s.calls(intunesim.OpFailure)); n != 1 {
		t.Errorf("Intune received %d failure notifications", n)
	}
}

// Webhooks of other provisioners work as under stock step-ca.
func TestAnOrdinaryChallengeWebhookWorksBesideIntune(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	options, trust := operatorsHook(t, "SCEPCHALLENGE", func(r *http.Request) {
		var body struct {
			ScepChallenge string `json:"scepChallenge"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		asked <- body.ScepChallenge
	})
	s := newSite(t, trust, func(_ map[string]any, o *harness.Options) {
		entry := harness.SCEPEntry("hooked", "")
		entry["options"] = options
		o.Provisioners = append(o.Provisioners, entry)
	})
	c := s.connect("hooked")
	result := s.send(c, s.prepare(c, device.CSR{Subject: "CN=x", Challenge: "open sesame"}))
	if result.Status != scep.SUCCESS || <-asked != "open sesame" {
		t.Errorf("got %s", describe(result))
	}
	if n := len(s.calls(intunesim.OpValidate)); n != 0 {
		t.Errorf("Intune received %d validations", n)
	}
	s.issue("device-1")
}

// The URLs of our hooks are public. Another provisioner's webhook that calls one
// gets nothing approved.
func TestAnotherWebhookCannotBorrowOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic)
	url := s.hookURL("SCEPCHALLENGE")
	s.edit(func(config map[string]any) {
		thief := harness.SCEPEntry("thief", "nobody knows")
		authority := config["authority"].(map[string]any)
		authority["provisioners"] = append(authority["provisioners"].([]any), thief)
	})
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{"the URL before the reload": url, "the URL after it": s.hookURL("SCEPCHALLENGE")} {
		if !strings.Contains(url, ".invalid") {
			t.Fatalf("%s is %q", name, url)
		}
		s.edit(func(config map[string]any) {
			harness.Provisioner(config, "thief")["options"] = hook("SCEPCHALLENGE", url)
		})
		if err := s.ca.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := s.connect("thief")
		if result := s.send(c, s.prepare(c, s.genuine("device-1"))); result.Status != scep.FAILURE || result.Certificate != nil {
			t.Errorf("%s: the thief got %s", name, describe(result))
		}
	}
	if n := len(s.calls(intunesim.OpValidate)); n != 0 {
		t.Errorf("Intune received %d validations", n)
	}
	s.issue("device-2")
}

// hookURL finds a hook of the Intune provisioner in what the CA tells everybody.
func (s *site) hookURL(kind string) string {
	s.Helper()
	answer, err := s.ca.HTTP.Get(s.ca.URL("/provisioners"))
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct {
		Provisioners []struct {
			Name    string
			Options struct {
				Webhooks []struct{ URL, Kind string }
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		s.Fatal(err)
	}
	for _, p := range list.Provisioners {
		for _, w := range p.Options.Webhooks {
			if p.Name == intune && w.Kind == kind {
				return w.URL
			}
		}
	}
	s.Fatalf("no %s webhook in /provisioners", kind)
	return ""
}
