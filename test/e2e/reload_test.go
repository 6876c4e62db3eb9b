package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// enrol sends a genuine request and returns how it ended.
func (s *site) enrol(name string) *device.Result {
	s.Helper()
	c := s.connect(intune)
	return s.send(c, s.prepare(c, s.genuine(name)))
}

func (s *site) edit(edit func(config map[string]any)) {
	s.Helper()
	if err := s.ca.EditConfig(edit); err != nil {
		s.Fatal(err)
	}
}

func TestAReloadTakesAChangedSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issue("device-1")
	if err := s.sim.SetSecrets([]string{"second-secret"}, nil); err != nil {
		t.Fatal(err)
	}
	other := harness.SecretFile("other", s.sim)
	if err := os.WriteFile(other, []byte("second-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.edit(func(config map[string]any) {
		settings(harness.Provisioner(config, intune))["credential"] = map[string]any{"secretFile": other}
	})
	before := len(s.calls(intunesim.OpToken))
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.issue("device-2")
	if after := len(s.calls(intunesim.OpToken)); after == before {
		t.Error("the second secret was not used")
	}
}

// A secret file is read again when it changes; no reload is needed.
func TestAChangedSecretFileNeedsNoReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.sim.SetSecrets([]string{"second-secret"}, nil); err != nil {
		t.Fatal(err)
	}
	if result := s.enrol("device-1"); result.Status != scep.FAILURE {
		t.Fatalf("with the old secret got %s", describe(result))
	}
	if err := os.WriteFile(harness.SecretFile(intune, s.sim), []byte("second-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.issue("device-2")
}

func TestAReloadTakesAChangedTenant(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issue("device-1")
	s.edit(func(config map[string]any) {
		settings(harness.Provisioner(config, intune))["tenant"] = "nowhere.onmicrosoft.com"
	})
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if result := s.enrol("device-2"); result.Status != scep.FAILURE {
		t.Errorf("with a tenant that does not exist got %s", describe(result))
	}
	s.edit(func(config map[string]any) {
		settings(harness.Provisioner(config, intune))["tenant"] = intunesim.DefaultTenant
	})
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.issue("device-3")
}

// A request that is under way at a reload ends on the configuration that it began with.
func TestARequestUnderWayEndsAsItBegan(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issue("device-1") // so that the token is there
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-2"))
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Delay: 2 * time.Second})
	s.edit(func(config map[string]any) {
		settings(harness.Provisioner(config, intune))["tenant"] = "nowhere.onmicrosoft.com"
	})
	asked := len(s.calls(intunesim.OpValidate))
	answer := make(chan *device.Result, 1)
	go func() {
		result, err := c.Send(t.Context(), m)
		if err != nil {
			result = new(device.Result)
		}
		answer <- result
	}()
	s.eventually("the request at Intune", func() bool { return len(s.calls(intunesim.OpValidate)) > asked })
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if result := <-answer; result.Status != scep.SUCCESS {
		t.Errorf("got %s", describe(result))
	}
	if result := s.enrol("device-3"); result.Status != scep.FAILURE {
		t.Errorf("the new configuration does not serve: %s", describe(result))
	}
}

// step-ca can still refuse a configuration after the plugin has taken it. The running one
// goes on, with its reports.
func TestAReloadThatFailsLateLeavesTheReportsWhereTheyAre(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ map[string]any, o *harness.Options) {
		o.Edit = func(config map[string]any) {
			config["authority"].(map[string]any)["policy"] = map[string]any{"x509": map[string]any{"deny": map[string]any{"dns": []string{"denied.example"}}}}
		}
	})
	s.issue("device-1")
	s.edit(func(config map[string]any) {
		settings(harness.Provisioner(config, intune))["tenant"] = "nowhere.onmicrosoft.com"
		config["insecureAddress"] = s.ca.Address // in use
	})
	if err := s.ca.Reload(t.Context()); err == nil {
		t.Fatal("the reload went through")
	}
	s.issue("device-2")
	c := s.connect(intune)
	csr := device.IPhone("CN=device-3", "", device.DNS("denied.example"))
	csr.Challenge = s.challenge(intunesim.Challenge{Subject: "CN=device-3"})
	if result := s.send(c, s.prepare(c, csr)); result.Status != scep.FAILURE {
		t.Errorf("a denied name: %s", describe(result))
	}
	s.eventually("the failure notification", func() bool { return len(s.calls(intunesim.OpFailure)) == 1 })
}

func TestAReloadTakesAFurtherProvisioner(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.edit(func(config map[string]any) {
		entry, err := harness.IntuneEntry("second", s.sim)
		if err != nil {
			t.Fatal(err)
		}
		authority := config["authority"].(map[string]any)
		authority["provisioners"] = append(authority["provisioners"].([]any), entry)
	})
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.issue("device-1")
	c := s.connect("second")
	if result := s.send(c, s.prepare(c, s.genuine("device-2"))); result.Status != scep.SUCCESS {
		t.Errorf("got %s", describe(result))
	}
}

// What a reload cannot do is refused with a line that says why, and the running
// configuration goes on.
func TestAReloadThatIsRefusedLeavesTheRunningConfiguration(t *testing.T) {
	tests := map[string]struct {
		edits []func(map[string]any, *harness.Options)
		edit  func(config map[string]any)
		line  []string
	}{
		"an unknown key": {nil, func(config map[string]any) {
			settings(harness.Provisioner(config, intune))["tennant"] = "x"
		}, []string{`provisioner "intune"`, "tennant"}},
		"a secret file that is missing": {nil, func(config map[string]any) {
			settings(harness.Provisioner(config, intune))["credential"] = map[string]any{"secretFile": "/does/not/exist"}
		}, []string{`provisioner "intune"`, "credential.secretFile"}},
		"a typo in the type": {nil, func(config map[string]any) {
			harness.Provisioner(config, intune)["type"] = "SCEP"
		}, []string{`provisioner "intune"`, "type"}},
		"a link to Smallstep": {nil, func(config map[string]any) {
			authority := config["authority"].(map[string]any)
			authority["enableAdmin"], authority["deploymentType"] = true, "linked"
		}, []string{`provisioner "intune"`, "deploymentType"}},
		"the last entry is gone": {nil, func(config map[string]any) {
			config["authority"].(map[string]any)["provisioners"] = []any{map[string]any{"type": "ACME", "name": "acme"}}
		}, []string{"restart"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.edits...)
			s.issue("device-1")
			s.edit(test.edit)
			err := s.ca.Reload(t.Context())
			if err == nil {
				t.Fatal("the reload was not refused")
			}
			for _, part := range test.line {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the reason does not name %q: %v", part, err)
				}
			}
			s.issue("device-2")
		})
	}
}

// The first SCEP provisioner needs a restart: step-ca cannot begin to serve SCEP.
func TestAReloadCannotAddTheFirstProvisioner(t *testing.T) {
	t.Parallel()
	s := &site{T: t, sim: startSim(t)}
	a := newAuthority(t, s.sim)
	var kept any
	if err := a.EditConfig(func(config map[string]any) {
		authority := config["authority"].(map[string]any)
		kept = authority["provisioners"]
		authority["provisioners"] = []any{map[string]any{"type": "ACME", "name": "acme"}}
	}); err != nil {
		t.Fatal(err)
	}
	s.ca = s.startCA(harness.StepCAIntune, a)
	s.edit(func(config map[string]any) { config["authority"].(map[string]any)["provisioners"] = kept })
	if err := s.ca.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("got %v", err)
	}
	answer, err := s.ca.HTTP.Get(s.ca.URL("/health"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}

// An ordinary SCEP provisioner beside ours lets ours come and go.
func TestAReloadMayRemoveAnIntuneProvisionerBesideAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic)
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-1"))
	s.edit(func(config map[string]any) {
		authority := config["authority"].(map[string]any)
		authority["provisioners"] = authority["provisioners"].([]any)[1:]
	})
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if result := s.send(c, m); result.HTTPStatus < 400 || result.Certificate != nil {
		t.Errorf("the removed provisioner answers %s", describe(result))
	}
	static := s.connect("static")
	if result := s.send(static, s.prepare(static, device.CSR{Subject: "CN=x", Challenge: "open sesame"})); result.Status != scep.SUCCESS {
		t.Errorf("the remaining one answers %s", describe(result))
	}
}
