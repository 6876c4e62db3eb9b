package e2e

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestCheckListsAllMistakesAtOnce(t *testing.T) {
	sim := startSim(t)
	a := newAuthority(t, sim)
	s := &checkSite{T: t, Authority: a, sim: sim}
	s.secret("wrong-secret", 0o640)
	s.edit(func(entry, i, conf map[string]any) {
		i["tennant"], i["cliendID"], i["maxConcurrent"] = "x", "x", 0
		i["profile"] = map[string]any{"unknownSANs": "keep"}
		entry["claim"], entry["encryptionAlgorithmIdentifier"], entry["minimumPublicKeyLength"] = "x", 0, 1024
		conf["db"] = map[string]any{"type": "oracle"}
		conf["insecureAddress"] = ":80"
		list := conf["authority"].(map[string]any)
		list["enableAdmin"] = true
		list["provisioners"] = append(list["provisioners"].([]any),
			map[string]any{"type": "SCEP", "name": "typo", "intune": map[string]any{}},
			harness.SCEPEntry("same", "x"), harness.SCEPEntry("same", "x"))
	})
	c := check(t, a, "--json")
	if c.status != 1 {
		t.Errorf("status %d", c.status)
	}
	ours := `provisioner "intune"`
	for _, f := range []struct{ state, area, what string }{
		{problem, ours, "intune.tennant: unknown key"}, {problem, ours, "intune.cliendID: unknown key"},
		{problem, ours, "intune.maxConcurrent: 0"}, {problem, ours, "unknownSANs"},
		{problem, ours, "claim: unknown key"}, {problem, ours, "minimumPublicKeyLength: 1024"},
		{warning, ours, "DES"}, {problem, ours, "AADSTS7000215"},
		{problem, `provisioner "typo"`, "type: is \"SCEP\""}, {problem, "ca.json", `the name "same"`},
		{problem, "database", "oracle"}, {warning, "files", "0640"}, {warning, "CA", "HTTP only"}, {warning, "CA", "dnsNames"},
	} {
		c.wants(t, f.state, f.area, f.what, "")
	}
	for i, f := range c.findings {
		if (f.State == "ok") != (f.Advice == "") {
			t.Errorf("%+v", f)
		}
		if i > 0 && f.Area != c.findings[i-1].Area && slices.ContainsFunc(c.findings[:i], func(e finding) bool { return e.Area == f.Area }) {
			t.Errorf("%s is there in two places", f.Area)
		}
	}
}

func TestCheckCouldNotRun(t *testing.T) {
	dir := t.TempDir()
	empty, noJSON := filepath.Join(dir, "empty"), filepath.Join(dir, "no.json")
	for file, content := range map[string]string{empty: "", noJSON: `{"authority":`} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{
		"for want of the file":  {filepath.Join(dir, "missing.json")},
		"on a folder":           {dir},
		"on an empty file":      {empty},
		"on what is not JSON":   {noJSON, "--json"},
		"on two configurations": {noJSON, noJSON},
		"with an unknown flag":  {"--ofline", noJSON},
	} {
		t.Run(name, func(t *testing.T) {
			c := runCheck(t, exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), append([]string{"check"}, args...)...))
			if c.status != 2 || strings.TrimSpace(c.output) == "" || strings.Contains(c.output, "panic") {
				t.Errorf("status %d: %s", c.status, c.output)
			}
		})
	}
}

func TestCheckAsksForNoPassword(t *testing.T) {
	sim := startSim(t)
	a := newAuthority(t, sim, presentable)
	command := func(flags ...string) *exec.Cmd {
		args := append([]string{"check", a.File("ca.json"), "--json"}, flags...)
		return exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), args...)
	}
	c := runCheck(t, command())
	if c.status != 0 {
		t.Errorf("without the password: status %d", c.status)
	}
	c.wants(t, warning, "CA", "encrypted", "--password-file")
	wrong := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(wrong, []byte("wrong-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c = runCheck(t, command("--password-file", wrong))
	if c.status != 1 {
		t.Errorf("with a wrong password: status %d", c.status)
	}
	c.wants(t, problem, "CA", "cannot be opened", "password")
	c = runCheck(t, command("--password-file", wrong+".missing"))
	c.wants(t, problem, "CA", "password file cannot be read", "user that runs step-ca")
}

func TestCheckOfflineCallsNobodyAndCheckWritesNothing(t *testing.T) {
	sim := startSim(t)
	a := newAuthority(t, sim, presentable)
	before := tree(t, a.Dir)
	if c := check(t, a, "--offline"); c.status != 0 || strings.Contains(c.output, "Entra") {
		t.Errorf("status %d: %s", c.status, c.output)
	}
	if requests, err := sim.Requests(); err != nil || len(requests) > 0 {
		t.Errorf("it made %d calls, %v", len(requests), err)
	}
	check(t, a)
	requests, err := sim.Requests()
	if err != nil || len(requests) == 0 {
		t.Errorf("with Microsoft it made %d calls, %v", len(requests), err)
	}
	for _, r := range requests {
		switch r.Operation {
		case intunesim.OpOpenIDConfiguration, intunesim.OpToken, intunesim.OpDiscovery:
		default:
			t.Errorf("it called %s", r.Operation)
		}
	}
	if after := tree(t, a.Dir); !slices.Equal(before, after) {
		t.Errorf("before %q, after %q", before, after)
	}
}

// tree lists what is in a folder, with size and time.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, path+" "+info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCheckLeavesARunningCAAlone(t *testing.T) {
	for _, database := range []harness.Database{harness.Badger, harness.Bolt} {
		t.Run(string(database), func(t *testing.T) {
			s := newSite(t, presentable, func(_ map[string]any, o *harness.Options) { o.Database = database })
			s.issue("before")
			c := check(t, s.ca.Authority, "--json")
			c.wants(t, warning, "database", "in use", "while it is stopped")
			for _, f := range c.findings {
				if f.State != "ok" && f.Area != "database" {
					t.Errorf("it also finds %+v", f)
				}
			}
			s.issue("after")
		})
	}
}

func TestCheckNoticesAnIntuneProvisionerThatIsGone(t *testing.T) {
	for _, database := range []harness.Database{harness.Badger, harness.Bolt} {
		t.Run(string(database), func(t *testing.T) {
			other := func(entry map[string]any, o *harness.Options) {
				second := maps.Clone(entry)
				second["name"] = "second"
				o.Database, o.Provisioners = database, []map[string]any{second}
			}
			s := newSite(t, presentable, other)
			if status, err := s.ca.Stop(); status != 0 || err != nil {
				t.Fatalf("stopped with %d, %v", status, err)
			}
			before := tree(t, s.ca.Dir)
			if c := check(t, s.ca.Authority); c.status != 0 || strings.ContainsAny(c.output, "!✗") {
				t.Errorf("all are there, status %d: %s", c.status, c.output)
			}
			if after := tree(t, s.ca.Dir); !slices.Equal(before, after) {
				t.Errorf("before %q, after %q", before, after)
			}
			replace := func(entries ...map[string]any) {
				s.edit(func(conf map[string]any) {
					list := []any{harness.Provisioner(conf, intune)}
					for _, e := range entries {
						list = append(list, e)
					}
					conf["authority"].(map[string]any)["provisioners"] = list
				})
			}
			replace()
			c := check(t, s.ca.Authority, "--json")
			c.wants(t, problem, "database", `"second"`, "step-ca-intune retire second "+s.ca.File("ca.json"))
			replace(harness.SCEPEntry("second", "x"))
			c = check(t, s.ca.Authority, "--json")
			c.wants(t, problem, `provisioner "second"`, "renew without Intune", "another name")
			if c.status != 1 {
				t.Errorf("status %d", c.status)
			}
		})
	}
}

func TestCheckKeepsSecretsOfTheConfigurationToItself(t *testing.T) {
	const secret = "hush-hush-2026"
	for name, change := range map[string]func(entry, intune, conf map[string]any){
		"of a wrong decrypter": func(entry, _, _ map[string]any) { entry["decrypterKeyPassword"] = secret },
		"in a KMS": func(_, _, conf map[string]any) {
			conf["kms"] = map[string]any{"type": "pkcs11", "uri": "pkcs11:token=x?pin-value=" + secret}
		},
		"of the decrypter's KMS": func(entry, _, _ map[string]any) {
			delete(entry, "decrypterKeyPEM")
			entry["decrypterKey"] = "pkcs11:token=x?pin-value=" + secret
		},
		"of the application's KMS": func(_, i, _ map[string]any) {
			i["credential"] = map[string]any{"certificate": "/nonexistent", "key": "pkcs11:token=x?pin-value=" + secret}
		},
		"of the database": func(_, _, conf map[string]any) {
			conf["db"] = map[string]any{"type": "postgresql", "dataSource": "postgres://ca:" + secret + "@127.0.0.1:1/ca"}
		},
		"of a database's DSN": func(_, _, conf map[string]any) {
			conf["db"] = map[string]any{"type": "mysql", "dataSource": "ca:" + secret + "@tcp(127.0.0.1:1)/"}
		},
		"of the CA's key":       func(_, _, conf map[string]any) { conf["password"] = secret },
		"written inline":        func(_, i, _ map[string]any) { i["credential"] = map[string]any{"secret": secret} },
		"as the file of itself": func(_, i, _ map[string]any) { i["credential"] = map[string]any{"secretFile": secret} },
		"as its own variable":   func(_, i, _ map[string]any) { i["credential"] = map[string]any{"secretEnv": secret} },
		"in a proxy's address": func(_, i, _ map[string]any) {
			i["proxy"] = map[string]any{"url": "http://me:" + secret + "@127.0.0.1:1"}
		},
		"as a static challenge":  func(entry, _, _ map[string]any) { entry["challenge"] = secret },
		"where a number belongs": func(_, i, _ map[string]any) { i["retries"] = secret },
	} {
		t.Run(name, func(t *testing.T) {
			sim := startSim(t)
			a := newAuthority(t, sim, ellipticCA)
			s := &checkSite{T: t, Authority: a, sim: sim}
			s.edit(change)
			for _, flags := range [][]string{nil, {"--json"}} {
				if c := check(t, a, flags...); strings.Contains(c.output, secret) {
					t.Errorf("the secret is in\n%s", c.output)
				}
			}
		})
	}
}
