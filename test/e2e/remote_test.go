package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// withRemote turns on remote management.
func withRemote(_ map[string]any, o *harness.Options) {
	edit := o.Edit
	o.Edit = func(config map[string]any) {
		config["authority"].(map[string]any)["enableAdmin"] = true
		if edit != nil {
			edit(config)
		}
	}
}

// step runs the command line of step-ca against the running CA, as its first
// administrator, and fails the test when it takes suspiciously long: a CA that
// stands still answers nothing.
func (s *site) step(args ...string) (output string, err error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	args = append(args, "--ca-url", s.ca.URL(""), "--root", s.ca.File("root.crt"))
	cmd := exec.CommandContext(ctx, harness.Step.In(bin), args...)
	cmd.Env = append(cmd.Environ(), "STEPPATH="+s.TempDir())
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		s.Fatalf("step %s got no answer:\n%s", strings.Join(args, " "), text)
	}
	return string(text), err
}

// admin runs step with the flags that prove the first administrator.
func (s *site) admin(args ...string) (output string, err error) {
	s.Helper()
	return s.step(append(args, "--admin-subject", "step", "--admin-provisioner", "Admin JWK", "--admin-password-file", s.ca.File("password"))...)
}

// mustAdmin runs what an administrator may do.
func (s *site) mustAdmin(args ...string) string {
	s.Helper()
	text, err := s.admin(args...)
	if err != nil {
		s.Fatalf("step %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return text
}

// restart stops the CA and starts a program with its files.
func (s *site) restart(program harness.Program) {
	s.Helper()
	if _, err := s.ca.Stop(); err != nil {
		s.Fatal(err)
	}
	s.ca = s.startCA(program, s.ca.Authority)
}

func TestRemoteManagementLeavesAnIntuneEntryInTheFile(t *testing.T) {
	for name, edits := range map[string][]func(map[string]any, *harness.Options){
		"with a new database":                 {withRemote},
		"with others in ca.json to be copied": {withStatic, withRemote},
		"with bolt and a decrypter":           {withRemote, func(_ map[string]any, o *harness.Options) { o.Database, o.EllipticIntermediate = harness.Bolt, true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, edits...)
			s.issue("device-1")
			if err := s.ca.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.issue("device-2")
			s.restart(harness.StepCAIntune)
			s.issue("device-3")
			if text := s.mustAdmin("ca", "admin", "list"); !strings.Contains(text, "Admin JWK") {
				t.Errorf("the administrators are %q", text)
			}
			if text, err := s.step("ca", "provisioner", "list"); err != nil || !strings.Contains(text, `"name": "intune"`) {
				t.Errorf("%v: %s", err, text)
			}
			s.issue("device-4")
		})
	}
}

func TestRemoteManagementIsTurnedOnByAReload(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic)
	s.issue("device-1")
	s.edit(func(config map[string]any) { config["authority"].(map[string]any)["enableAdmin"] = true })
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mustAdmin("ca", "admin", "list")
	s.issue("device-2")
	s.edit(func(config map[string]any) { config["authority"].(map[string]any)["enableAdmin"] = false })
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.issue("device-3")
}

// Stock step-ca made the database and filled it; later it serves it again.
func TestStockStepCAOnTheSameDatabaseServesNothingOfOurs(t *testing.T) {
	t.Parallel()
	s := &site{T: t, sim: startSim(t)}
	s.ca = s.startCA(harness.StepCA, newAuthority(t, s.sim, withStatic, withRemote))
	s.mustAdmin("ca", "provisioner", "add", "later", "--type", "SCEP", "--challenge", "later", "--encryption-algorithm-identifier", "2")

	s.restart(harness.StepCAIntune)
	s.issue("device-1")
	s.mustAdmin("ca", "provisioner", "add", "last", "--type", "ACME")
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-2"))
	empty := s.prepare(c, device.Windows("CN=device-3", ""))

	s.restart(harness.StepCA)
	if text := s.shown(); text != "" {
		t.Errorf("stock step-ca lists %s", text)
	}
	for name, m := range map[string]*device.Message{"a genuine request": m, "no challenge": empty} {
		for _, url := range []string{s.ca.SCEP(intune), s.ca.URL("/scep/" + intune)} {
			c.URL, c.HTTP = url, s.ca.HTTP
			result, err := c.Send(t.Context(), m)
			if err == nil && (result.Certificate != nil || result.HTTPStatus < 400) {
				t.Errorf("%s at %s got %s", name, url, describe(result))
			}
		}
	}
	for name, challenge := range map[string]string{"static": "open sesame", "later": "later"} {
		c := s.connect(name)
		if result := s.send(c, s.prepare(c, device.CSR{Subject: "CN=x", Challenge: challenge})); result.Status != scep.SUCCESS {
			t.Errorf("%s answers %s", name, describe(result))
		}
	}
}

func TestADatabaseThatHoldsTheNameStopsTheStart(t *testing.T) {
	t.Parallel()
	s := &site{T: t, sim: startSim(t)}
	a := newAuthority(t, s.sim, withStatic, withRemote)
	s.ca = s.startCA(harness.StepCA, a)
	s.mustAdmin("ca", "provisioner", "add", intune, "--type", "SCEP", "--challenge", "open")
	if _, err := s.ca.Stop(); err != nil {
		t.Fatal(err)
	}
	ca, err := harness.StartCA(t.Context(), harness.StepCAIntune.In(bin), a)
	if err == nil {
		ca.Kill()
		t.Fatal("the CA started")
	}
	for _, part := range []string{"ended with status 2", `provisioner "intune": name: the database already holds a provisioner of this name`, "step ca provisioner remove"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not said: %v", part, err)
		}
	}
	// The way out that the message names.
	s.ca = s.startCA(harness.StepCA, a)
	s.mustAdmin("ca", "provisioner", "remove", intune)
	s.restart(harness.StepCAIntune)
	s.issue("device-1")
}

func TestNoCommandOfStepReachesAnIntuneEntry(t *testing.T) {
	t.Parallel()
	s := newSite(t, withRemote)
	s.mustAdmin("ca", "provisioner", "add", "other", "--type", "JWK", "--create", "--password-file", s.ca.File("password"))
	s.mustAdmin("ca", "admin", "add", "second", "Admin JWK", "--super")
	template := s.ca.File("template")
	if err := os.WriteFile(template, []byte(`{"subject": {{ toJson .Insecure.CR.Subject }}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	served := s.shown()
	const refused = "Intune entry of ca.json"
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"provisioner update":         {[]string{"provisioner", "update", intune, "--challenge", "open"}, refused},
		"a template":                 {[]string{"provisioner", "update", intune, "--x509-template", template}, refused},
		"claims":                     {[]string{"provisioner", "update", intune, "--disable-renewal=false", "--x509-max-dur", "99999h"}, refused},
		"provisioner remove":         {[]string{"provisioner", "remove", intune}, "intune-entry-of-ca.json/intune not found"},
		"provisioner add, SCEP":      {[]string{"provisioner", "add", intune, "--type", "SCEP", "--challenge", "open"}, "already exists"},
		"provisioner add, JWK":       {[]string{"provisioner", "add", intune, "--type", "JWK", "--create", "--password-file", s.ca.File("password")}, "already exists"},
		"provisioner webhook add":    {[]string{"provisioner", "webhook", "add", intune, "open", "--url", "https://127.0.0.1/", "--kind", "SCEPCHALLENGE"}, refused},
		"provisioner webhook update": {[]string{"provisioner", "webhook", "update", intune, "intune", "--url", "https://127.0.0.1/"}, refused},
		"provisioner webhook remove": {[]string{"provisioner", "webhook", "remove", intune, "intune"}, refused},
		"admin add":                  {[]string{"admin", "add", "device-1", intune}, "cannot be administrators"},
		"admin add --super":          {[]string{"admin", "add", "device-1", intune, "--super"}, "cannot be administrators"},
		"policy provisioner x509":    {[]string{"policy", "provisioner", "x509", "allow", "dns", "*.local", "--provisioner", intune}, refused},
		"policy provisioner view":    {[]string{"policy", "provisioner", "view", "--provisioner", intune}, refused},
		"policy provisioner remove":  {[]string{"policy", "provisioner", "remove", "--provisioner", intune}, refused},
		"policy of another":          {[]string{"policy", "provisioner", "view", "--provisioner", "other"}, "not supported in standalone mode"},
		"acme eab add":               {[]string{"acme", "eab", "add", intune}, refused},
		"policy acme view":           {[]string{"policy", "acme", "view", "--provisioner", intune, "--eab-key-id", "x"}, refused},
	} {
		text, err := s.admin(append([]string{"ca"}, test.args...)...)
		if err == nil || !strings.Contains(text, test.want) {
			t.Errorf("%s: %v: %s", name, err, text)
		}
		if now := s.shown(); now != served {
			t.Fatalf("%s: it is shown as %s, before as %s", name, now, served)
		}
	}
	s.issue("device-1")
	if text, err := s.step("ca", "provisioner", "list"); err != nil || !strings.Contains(text, `"other"`) {
		t.Errorf("%v: %s", err, text)
	}
	// What does not touch it works.
	s.mustAdmin("ca", "provisioner", "update", "other", "--x509-max-dur", "48h")
	s.mustAdmin("ca", "admin", "update", "second", "--super=false")
	s.mustAdmin("ca", "admin", "remove", "second")
	s.mustAdmin("ca", "provisioner", "remove", "other")
	s.issue("device-2")
}

// An administrator may open that door; the log says so.
func TestAnX5CProvisionerOfAnAdministratorIsWarnedOf(t *testing.T) {
	t.Parallel()
	s := newSite(t, withRemote)
	const warning = "an X5C provisioner trusts this CA"
	s.mustAdmin("ca", "provisioner", "add", "chain", "--type", "X5C", "--x5c-roots", s.ca.File("root.crt"))
	s.eventually("a warning", func() bool { return strings.Contains(s.ca.Output(), warning) })
	s.restart(harness.StepCAIntune)
	if !strings.Contains(s.ca.Output(), warning) {
		t.Error("the next start says nothing")
	}
}

// step knows no provisioners of our type and writes ca.json anew without them.
func TestAnOfflineChangeThatDropsAnEntryIsNoticed(t *testing.T) {
	t.Parallel()
	s := newSite(t, withStatic)
	s.issue("device-1")
	if _, err := s.ca.Stop(); err != nil {
		t.Fatal(err)
	}
	file := s.ca.File("ca.json")
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.edit(func(config map[string]any) { config["intune"] = map[string]any{"statusAllowRemote": false} })
	if text, err := s.step("ca", "provisioner", "add", "acme", "--type", "ACME", "--ca-config", file); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if rewritten, err := os.ReadFile(file); err != nil || strings.Contains(string(rewritten), `"intune"`) {
		t.Fatalf("step keeps what it does not know by now: %v, %s", err, rewritten)
	}
	const lost = "an Intune provisioner is missing from ca.json"
	s.ca = s.startCA(harness.StepCAIntune, s.ca.Authority)
	if out := s.ca.Output(); !strings.Contains(out, lost) || !strings.Contains(out, `"level":"ERROR"`) {
		t.Errorf("nothing is said: %s", out)
	}
	if err := s.ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Count(s.ca.Output(), lost) != 2 {
		t.Error("the reload says nothing")
	}
	// The way back.
	if err := os.WriteFile(file, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	s.restart(harness.StepCAIntune)
	s.issue("device-2")

	// Or it was meant.
	s.edit(func(config map[string]any) {
		authority := config["authority"].(map[string]any)
		authority["provisioners"] = authority["provisioners"].([]any)[1:]
	})
	if _, err := s.ca.Stop(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), "retire", intune, file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `Retired the Intune provisioner "intune"`) {
		t.Fatalf("%v: %s", err, out)
	}
	s.ca = s.startCA(harness.StepCAIntune, s.ca.Authority)
	if strings.Contains(s.ca.Output(), lost) {
		t.Error("a retired one is missed")
	}
}

// step-ca can export its configuration to a linked CA. The entry goes along as a closed
// SCEP provisioner: its hooks answer in the process that made them only.
func TestAnExportIsPossible(t *testing.T) {
	for name, edits := range map[string][]func(map[string]any, *harness.Options){
		"with remote management":    {withRemote},
		"without remote management": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, edits...)
			served := s.shown()
			if _, err := s.ca.Stop(); err != nil {
				t.Fatal(err)
			}
			s.edit(func(config map[string]any) { config["password"] = harness.Password })
			cmd := exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), "export", s.ca.File("ca.json"))
			text, err := cmd.Output()
			if err != nil || !json.Valid(text) {
				t.Fatalf("%v: %s", err, text)
			}
			var hook struct {
				Options struct{ Webhooks []struct{ URL string } }
			}
			if err := json.Unmarshal([]byte(served), &hook); err != nil || len(hook.Options.Webhooks) != 2 {
				t.Fatalf("%v: %s", err, served)
			}
			if strings.Contains(string(text), hook.Options.Webhooks[0].URL) || !strings.Contains(string(text), "SCEPCHALLENGE") {
				t.Errorf("the hooks are those of the CA: %s", text)
			}
			s.checkSecrets("the export", string(text))
		})
	}
}
