package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// checkSite is a CA that is not running, its simulator, and what stands in its ca.json.
type checkSite struct {
	*testing.T
	*harness.Authority
	sim *harness.Sim
}

// edit changes the Intune entry in ca.json, and the rest of it.
func (s *checkSite) edit(change func(entry, intune, conf map[string]any)) {
	s.Helper()
	err := s.EditConfig(func(conf map[string]any) {
		entry := harness.Provisioner(conf, intune)
		change(entry, entry["intune"].(map[string]any), conf)
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *checkSite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// write replaces the client secret.
func (s *checkSite) secret(content string, mode os.FileMode) {
	s.Helper()
	s.must(os.WriteFile(harness.SecretFile(intune, s.sim), []byte(content), 0o600))
	s.must(os.Chmod(harness.SecretFile(intune, s.sim), mode))
}

const (
	problem = "problem"
	warning = "warning"
)

// mistakes are what check must find: each makes one finding of a good configuration bad.
var mistakes = []struct {
	name         string
	elliptic     bool
	plant        func(*checkSite)
	state        string
	area         string
	what, advice string
}{
	{name: "a wrong secret", plant: func(s *checkSite) { s.secret("wrong-secret", 0o600) },
		state: problem, area: `provisioner "intune"`, what: "AADSTS7000215", advice: "value of a valid client secret"},
	{name: "an expired secret", plant: func(s *checkSite) {
		s.must(s.sim.SetSecrets([]string{"another"}, []string{intunesim.DefaultSecret}))
	}, state: problem, area: `provisioner "intune"`, what: "AADSTS7000222", advice: "Make a new client secret"},
	{name: "a missing role", plant: func(s *checkSite) { s.must(s.sim.SetTokens(intunesim.Tokens{IntuneRoles: []string{}})) },
		state: problem, area: `provisioner "intune"`, what: "Intune role", advice: "scep_challenge_provider"},
	{name: "a missing Graph permission", plant: func(s *checkSite) { s.must(s.sim.SetTokens(intunesim.Tokens{GraphRoles: []string{}})) },
		state: problem, area: `provisioner "intune"`, what: "Graph look-up", advice: "Application.Read.All"},
	{name: "a wrong tenant", plant: func(s *checkSite) {
		s.edit(func(_, i, _ map[string]any) { i["tenant"] = "fabrikam.onmicrosoft.com" })
	}, state: problem, area: `provisioner "intune"`, what: "tenant", advice: "Check tenant"},
	{name: "a wrong cloud", plant: func(s *checkSite) {
		s.edit(func(_, i, _ map[string]any) {
			i["cloud"] = "usgov"
			delete(i["endpoints"].(map[string]any), "intune")
		})
	}, state: problem, area: `provisioner "intune"`, what: "AADSTS500011", advice: "Check cloud"},
	{name: "a secret file that is a directory", plant: func(s *checkSite) {
		s.must(os.Remove(harness.SecretFile(intune, s.sim)))
		s.must(os.Mkdir(harness.SecretFile(intune, s.sim), 0o700))
	}, state: problem, area: `provisioner "intune"`, what: "intune.credential.secretFile", advice: "into the file"},
	{name: "a secret file that everybody can read", plant: func(s *checkSite) { s.secret(intunesim.DefaultSecret, 0o644) },
		state: warning, area: "files", what: "0644", advice: "chmod 600"},
	{name: "a clock that is 10 minutes behind", plant: func(s *checkSite) { s.must(s.sim.Advance(10 * time.Minute)) },
		state: problem, area: `provisioner "intune"`, what: "behind Graph", advice: "Set this machine's clock"},
	{name: "a clock that is 10 minutes ahead", plant: func(s *checkSite) { s.must(s.sim.Advance(-10 * time.Minute)) },
		state: problem, area: `provisioner "intune"`, what: "clock: this machine is 10m", advice: "Set this machine's clock"},
	{name: "a proxy that lets nothing through", plant: func(s *checkSite) {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
		s.Cleanup(proxy.Close)
		s.edit(func(_, i, _ map[string]any) { i["proxy"] = map[string]any{"url": proxy.URL} })
	}, state: problem, area: `provisioner "intune"`, what: "credential", advice: "through intune.proxy, 127.0.0.1"},
	{name: "a service on a foreign host", plant: func(s *checkSite) {
		s.must(s.sim.SetServices([]intunesim.Service{
			{ProviderName: "ScepRequestValidationFEService", URI: "https://fef.attacker.example/Service"},
			{ProviderName: "PkiConnectorFEService", URI: "/TrafficGateway/PkiConnectorFEService"},
		}, 0))
	}, state: problem, area: `provisioner "intune"`, what: "service hosts", advice: "allowedServiceHosts"},
	{name: "an elliptic intermediate without decrypter", elliptic: true, plant: func(s *checkSite) {
		s.edit(func(entry, _, _ map[string]any) {
			delete(entry, "decrypterCertificate")
			delete(entry, "decrypterKeyPEM")
		})
	}, state: problem, area: `provisioner "intune"`, what: "decrypterCertificate: is missing", advice: "step certificate create"},
	{name: "a decrypter that the CA has not issued", elliptic: true, plant: func(s *checkSite) {
		other, err := harness.NewCA(s.TempDir(), harness.Options{EllipticIntermediate: true, Provisioners: []map[string]any{harness.SCEPEntry("other", "x")}})
		s.must(err)
		var foreign map[string]any
		s.must(other.EditConfig(func(conf map[string]any) { foreign = harness.Provisioner(conf, "other") }))
		s.edit(func(entry, _, _ map[string]any) {
			entry["decrypterCertificate"], entry["decrypterKeyPEM"] = foreign["decrypterCertificate"], foreign["decrypterKeyPEM"]
		})
	}, state: problem, area: `provisioner "intune"`, what: `"Contoso SCEP RA" is not issued by "Contoso Issuing CA"`, advice: "step certificate create"},
	{name: "claims of 24 hours", plant: func(s *checkSite) { s.edit(func(entry, _, _ map[string]any) { delete(entry, "claims") }) },
		state: warning, area: `provisioner "intune"`, what: "24 hours", advice: "claims.defaultTLSCertDuration"},
	{name: "DES", plant: func(s *checkSite) {
		s.edit(func(entry, _, _ map[string]any) { entry["encryptionAlgorithmIdentifier"] = 0 })
	}, state: warning, area: `provisioner "intune"`, what: "DES", advice: "encryptionAlgorithmIdentifier"},
	{name: "an unknown key", plant: func(s *checkSite) { s.edit(func(_, i, _ map[string]any) { i["tennant"] = "x" }) },
		state: problem, area: `provisioner "intune"`, what: "intune.tennant: unknown key", advice: "correct its spelling"},
	{name: "a name that is there twice", plant: func(s *checkSite) {
		s.edit(func(_, _, conf map[string]any) {
			a := conf["authority"].(map[string]any)
			a["provisioners"] = append(a["provisioners"].([]any), harness.SCEPEntry(intune, "x"))
		})
	}, state: problem, area: `provisioner "intune"`, what: "another provisioner has the same name", advice: "a name of its own"},
	{name: "queued reporting without a database", plant: func(s *checkSite) {
		s.edit(func(_, i, conf map[string]any) {
			i["reporting"] = "queued"
			delete(conf, "db")
		})
	}, state: problem, area: `provisioner "intune"`, what: "intune.reporting", advice: "Add db to ca.json"},
	{name: "a status address that is public", plant: func(s *checkSite) {
		s.edit(func(_, _, conf map[string]any) { conf["intune"] = map[string]any{"statusAddress": "0.0.0.0:9190"} })
	}, state: problem, area: "status listener", what: "intune.statusAddress", advice: "127.0.0.1"},
	{name: "an X5C provisioner that trusts this CA", plant: func(s *checkSite) {
		root, err := os.ReadFile(s.File("root.crt"))
		s.must(err)
		s.edit(func(_, _, conf map[string]any) {
			a := conf["authority"].(map[string]any)
			a["provisioners"] = append(a["provisioners"].([]any), map[string]any{"type": "X5C", "name": "machines", "roots": root})
		})
	}, state: warning, area: "CA", what: `X5C provisioner "machines"`, advice: "Remove this CA's certificates from the roots"},
}

func TestCheckFindsAPlantedMistakeAndNamesTheFix(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			sim := startSim(t)
			a := newAuthority(t, sim, presentable, func(_ map[string]any, o *harness.Options) { o.EllipticIntermediate = m.elliptic })
			s := &checkSite{T: t, Authority: a, sim: sim}
			m.plant(s)
			c := check(t, a, "--json")
			if status := map[string]int{problem: 1, warning: 0}[m.state]; c.status != status {
				t.Errorf("status %d instead of %d", c.status, status)
			}
			c.wants(t, m.state, m.area, m.what, m.advice)
			for _, f := range c.findings {
				known := f.State == "ok" || f.State == m.state && f.Area == m.area && strings.Contains(f.What, m.what)
				// Without a database there is something else to know.
				if !known && f.Area != "database" {
					t.Errorf("it also finds %+v", f)
				}
			}
		})
	}
}

// wants looks for one finding.
func (c *checked) wants(t *testing.T, state, area, what, advice string) {
	t.Helper()
	for _, f := range c.findings {
		if f.State == state && f.Area == area && strings.Contains(f.What, what) && strings.Contains(f.Advice, advice) {
			t.Logf("%s: %s → %s", f.Area, f.What, f.Advice)
			return
		}
	}
	t.Errorf("no %s in %s with %q and the advice %q:\n%s", state, area, what, advice, c.output)
}
