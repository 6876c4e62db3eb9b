package e2e

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// serial of a certificate as Intune spells it.
func serial(c *x509.Certificate) string { return fmt.Sprintf("%X", c.SerialNumber.Bytes()) }

// Promise 2: no certificate reaches a device before Intune has accepted the
// success notification.
func TestACertificateThatIntuneDoesNotAcceptIsWithheld(t *testing.T) {
	for name, d := range doubts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, short)
			d.fault.Operation = intunesim.OpSuccess
			s.fault(d.fault)
			s.refuses(d.log)
			s.withheld()
		})
	}
}

// Promise 2, when Intune has approved and then cannot be told.
func TestACertificateIsWithheldWhenIntuneCannotBeTold(t *testing.T) {
	tests := map[string]struct {
		arrange func(*site)
		log     string
	}{
		"because the key was replaced meanwhile": {func(s *site) {
			s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Status: 401})
			if err := s.sim.SetSecrets([]string{"another"}, nil); err != nil {
				s.Fatal(err)
			}
		}, "AADSTS7000215"},
		"because the service has moved to http": {func(s *site) {
			s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Status: 404})
			s.fault(intunesim.Fault{Operation: intunesim.OpDiscovery, Body: `{"value":[` +
				`{"providerName":"ScepRequestValidationFEService","uri":"http://127.0.0.1/RACerts"}]}`})
		}, "http://127.0.0.1/RACerts"},
		"because the service has moved to a stranger": {func(s *site) {
			s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Status: 404})
			s.fault(intunesim.Fault{Operation: intunesim.OpDiscovery, Body: `{"value":[` +
				`{"providerName":"ScepRequestValidationFEService","uri":"` + elsewhere(s.sim) + `"}]}`})
		}, `the host \"localhost\"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, short)
			s.issue("device-0") // token and service location are known from here on
			c := s.connect(intune)
			m := s.prepare(c, s.genuine("device-1"))
			test.arrange(s)
			result := s.send(c, m)
			if result.Status != scep.FAILURE || result.Certificate != nil {
				t.Errorf("got %s", describe(result))
			}
			if line := s.outcome(m.TransactionID); !strings.Contains(line, test.log) {
				t.Errorf("the log does not say %q: %s", test.log, line)
			}
			if listed := s.listed(intunesim.StateIssued); len(listed) != 1 {
				t.Errorf("Intune lists %d certificates", len(listed))
			}
			s.noFailureReported()
			if stored := s.stored(); len(stored) != 1 {
				t.Errorf("step-ca stored %d certificates", len(stored))
			}
		})
	}
}

// withheld checks that the certificate is nowhere, and that no failure has been
// reported by the time that the CA is gone.
func (s *site) withheld() {
	s.Helper()
	if n := len(s.calls(intunesim.OpSuccess)); n == 0 {
		s.Error("Intune received no success notification")
	}
	if stored := s.stored(); len(stored) != 0 {
		s.Errorf("step-ca stored %d certificates as issued", len(stored))
	}
	s.noFailureReported()
	if issued := s.listed(intunesim.StateIssued); len(issued) != 0 {
		s.Errorf("Intune lists %+v", issued)
	}
}

func (s *site) noFailureReported() {
	s.Helper()
	if n := len(s.calls(intunesim.OpFailure)); n != 0 {
		s.Errorf("Intune received %d failure notifications", n)
	}
}

// denied makes a policy that denies names under forbidden.example.
func denied(_ map[string]any, o *harness.Options) {
	o.Edit = func(config map[string]any) {
		config["authority"].(map[string]any)["policy"] = map[string]any{
			"x509": map[string]any{"deny": map[string]any{
				"dns":   []any{"*.forbidden.example"},
				"email": []any{"@forbidden.example"},
			}},
		}
	}
}

// An error of the CA itself is told to Intune, once, in words that hold no secret.
func TestANameThatThePolicyDeniesIsRefusedAndReportedOnce(t *testing.T) {
	forbidden := intunesim.SAN{Type: "dns", Value: "pc.forbidden.example"}
	upn := intunesim.SAN{Type: "upn", Value: "alice@contoso.example"}
	email := intunesim.SAN{Type: "email", Value: "alice@forbidden.example"}
	for name, sans := range map[string][]intunesim.SAN{
		"a DNS name alone":       {forbidden},
		"a DNS name beside UPN":  {upn, forbidden},
		"an address beside UPN":  {upn, email},
		"two names and no UPN":   {email, forbidden},
		"a DNS name before UPN":  {forbidden, upn},
		"an address on its own":  {email},
		"a DNS name in capitals": {upn, {Type: "dns", Value: "PC.Forbidden.Example"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, denied)
			challenge := s.challenge(intunesim.Challenge{Subject: "CN=device-1", SANs: sans, DeviceID: "device-1"})
			c := s.connect(intune)
			m := s.prepare(c, device.Windows("CN=device-1", challenge, deviceSANs(sans)...))
			result := s.send(c, m)
			if result.Status != scep.FAILURE || result.Certificate != nil {
				t.Fatalf("got %s", describe(result))
			}
			s.outcome(m.TransactionID)
			s.eventually("a failure notification", func() bool { return len(s.calls(intunesim.OpFailure)) > 0 })
			if stored := s.stored(); len(stored) != 0 {
				t.Errorf("step-ca stored %d certificates", len(stored))
			}
			failures := s.calls(intunesim.OpFailure)
			if len(failures) != 1 {
				t.Fatalf("Intune received %d failure notifications", len(failures))
			}
			s.checkFailure(failures[0], m.TransactionID)
			if n := len(s.calls(intunesim.OpSuccess)); n != 0 {
				t.Errorf("Intune received %d success notifications", n)
			}
		})
	}
}

// A control for the test above: the policy lets other names pass.
func TestANameThatThePolicyAllowsIsIssued(t *testing.T) {
	t.Parallel()
	s := newSite(t, denied)
	s.issue("device-1")
}

func (s *site) checkFailure(call intunesim.Request, transactionID string) {
	s.Helper()
	var body struct {
		Notification struct {
			TransactionID    string
			HResult          float64
			ErrorDescription string
		}
	}
	if err := json.Unmarshal([]byte(call.Body), &body); err != nil {
		s.Fatal(err)
	}
	n := body.Notification
	if n.TransactionID != transactionID {
		s.Errorf("transaction is %q", n.TransactionID)
	}
	if n.HResult == 0 || n.HResult != math.Trunc(n.HResult) || n.HResult < math.MinInt32 || n.HResult > math.MaxInt32 {
		s.Errorf("hResult is %v", n.HResult)
	}
	if length := utf8.RuneCountInString(n.ErrorDescription); length < 1 || length > 255 {
		s.Errorf("errorDescription has %d characters", length)
	}
	secrets := s.secrets()
	if found := leaks(n.ErrorDescription, secrets); len(found) > 0 {
		s.Errorf("errorDescription holds %q", found)
	}
	if call.Status != 200 || !strings.Contains(call.Answer, `"Success"`) {
		s.Errorf("Intune answered %d %s", call.Status, call.Answer)
	}
}

// A template that asks for more than Intune approved is an error of the CA.
func TestATemplateThatAsksForACAIsRefusedAndReportedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(entry map[string]any, _ *harness.Options) {
		entry["options"] = map[string]any{"x509": map[string]any{
			"template": `{"subject": {{ toJson .Subject }}, "keyUsage": ["certSign"], "basicConstraints": {"isCA": true, "maxPathLen": 0}}`,
		}}
	})
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-1"))
	if result := s.send(c, m); result.Status != scep.FAILURE || result.Certificate != nil {
		t.Fatalf("got %s", describe(result))
	}
	s.eventually("a failure notification", func() bool { return len(s.calls(intunesim.OpFailure)) > 0 })
	if stored := s.stored(); len(stored) != 0 {
		t.Errorf("step-ca stored %d certificates", len(stored))
	}
	if failures := s.calls(intunesim.OpFailure); len(failures) != 1 {
		t.Errorf("Intune received %d failure notifications", len(failures))
	} else {
		s.checkFailure(failures[0], m.TransactionID)
	}
}

func deviceSANs(sans []intunesim.SAN) []device.SAN {
	var all []device.SAN
	for _, san := range sans {
		switch san.Type {
		case "upn":
			all = append(all, device.UPN(san.Value))
		case "dns":
			all = append(all, device.DNS(san.Value))
		case "email":
			all = append(all, device.Email(san.Value))
		case "uri":
			all = append(all, device.URI(san.Value))
		}
	}
	return all
}
