package intune_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	all := []string{"credential", "Graph token", "Graph look-up", "validation service", "revocation service",
		"service hosts", "Intune token", "Intune role", "clock"}
	for _, test := range []struct {
		name    string
		prepare func(*intunesim.Server, *intune.Config)
		failed  []string
		skipped []string
		advice  string
	}{
		{name: "nothing"},
		{name: "the application key", prepare: func(_ *intunesim.Server, c *intune.Config) { c.Credential = intune.ClientSecret("wrong") },
			failed: []string{"credential"}, skipped: all[1:], advice: "client secret"},
		{name: "no network", prepare: func(_ *intunesim.Server, c *intune.Config) { c.Endpoints.Login = "https://127.0.0.1:1/" },
			failed: []string{"credential"}, skipped: all[1:], advice: "network"},
		{name: "the Graph permission", prepare: func(s *intunesim.Server, _ *intune.Config) { _ = s.SetTokens(intunesim.Tokens{GraphRoles: []string{}}) },
			failed: []string{"Graph look-up"}, skipped: []string{"validation service", "revocation service", "service hosts", "clock"}, advice: "Application.Read.All"},
		{name: "the Intune permission", prepare: func(s *intunesim.Server, _ *intune.Config) {
			_ = s.SetTokens(intunesim.Tokens{IntuneRoles: []string{"other"}})
		},
			failed: []string{"Intune role"}, advice: "scep_challenge_provider"},
		{name: "the Intune resource", prepare: func(_ *intunesim.Server, c *intune.Config) { c.Endpoints.Intune = "https://nobody.example" },
			failed: []string{"service hosts", "Intune token"}, skipped: []string{"Intune role"}, advice: "allowedServiceHosts"},
		{name: "no licence", prepare: func(s *intunesim.Server, _ *intune.Config) {
			s.SetServices([]intunesim.Service{{ProviderName: "Other", URI: "/x"}}, 0)
		}, failed: []string{"validation service", "revocation service"}, skipped: []string{"service hosts"}, advice: "licence"},
		{name: "a host that may not have tokens", prepare: func(_ *intunesim.Server, c *intune.Config) { c.AllowedServiceHosts = []string{"manage.microsoft.com"} },
			failed: []string{"service hosts"}, advice: "allowedServiceHosts"},
		{name: "the clock", prepare: func(s *intunesim.Server, _ *intune.Config) { s.Advance(-10 * time.Minute) },
			failed: []string{"clock"}, advice: "clock"},
	} {
		t.Run("wrong is "+test.name, func(t *testing.T) {
			sim := startSim(t, intunesim.Options{})
			cfg := simConfig(sim)
			cfg.Retries = 0
			if test.prepare != nil {
				test.prepare(sim, &cfg)
			}
			steps := newClient(t, cfg).Check(t.Context())
			var names, failed, skipped []string
			advice := ""
			for _, s := range steps {
				names = append(names, s.Name)
				switch s.Result {
				case intune.Failed:
					failed = append(failed, s.Name)
					advice += s.Advice
					if s.Advice == "" {
						t.Errorf("%s failed without advice", s.Name)
					}
				case intune.Skipped:
					skipped = append(skipped, s.Name)
				}
				if s.Detail == "" || strings.Contains(s.Detail, intunesim.DefaultSecret) {
					t.Errorf("%s: %q", s.Name, s.Detail)
				}
			}
			if !slices.Equal(names, all) || !slices.Equal(failed, test.failed) || !slices.Equal(skipped, test.skipped) || !strings.Contains(advice, test.advice) {
				t.Errorf("failed %q, skipped %q, advice %q\n%+v", failed, skipped, advice, steps)
			}
			for _, r := range sim.Requests() {
				switch r.Operation {
				case intunesim.OpOpenIDConfiguration, intunesim.OpToken, intunesim.OpDiscovery:
				default:
					t.Errorf("it called %s", r.Operation)
				}
			}
		})
	}
}

func TestCheckSeesAGrantAtOnce(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	if err := sim.SetTokens(intunesim.Tokens{IntuneRoles: []string{}}); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, simConfig(sim))
	failing := func() bool {
		return slices.ContainsFunc(client.Check(t.Context()), func(s intune.Step) bool { return s.Result == intune.Failed })
	}
	if !failing() {
		t.Error("the missing role is not seen")
	}
	if err := sim.SetTokens(intunesim.Tokens{}); err != nil {
		t.Fatal(err)
	}
	if failing() {
		t.Error("the granted role is not seen")
	}
}
