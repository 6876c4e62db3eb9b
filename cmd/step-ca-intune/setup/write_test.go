package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	plan := prepare(t, map[string]string{"dir": dir})
	for _, name := range []string{
		"certs/root_ca.crt", "secrets/root_ca_key", "certs/intermediate_ca.crt", "secrets/intermediate_ca_key", "certs/intune_scep.crt",
		"secrets/intune_scep_key", "secrets/password", "secrets/intune.secret", "config/ca.json", "db/MANIFEST",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := plan.refuseOverwrite("dir")
			if err == nil || !strings.HasPrefix(err.Error(), "--dir: ") || !strings.Contains(err.Error(), filepath.Dir(path)) {
				t.Errorf("got %v", err)
			}
			// Also when it comes between the plan and its execution. A database is step-ca's to open.
			if err := plan.Write(); err == nil && name != "db/MANIFEST" {
				t.Error("written over it")
			}
			if read(t, path) != "mine" {
				t.Error("it was overwritten")
			}
			for _, name := range tree(t, dir) {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestASecondCAInTheSameFolderIsRefused(t *testing.T) {
	dir := anAuthority(t, "EC")
	if err := tryPrepare(t, map[string]string{"dir": dir}); err == nil || !strings.HasPrefix(err.Error(), "--dir: ") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(dir, "config", "ca.json")
	edit(t, file, func(c map[string]any) { delete(c["authority"].(map[string]any), "provisioners") })
	password := filepath.Join(dir, "secrets", "password")
	if err := tryPrepare(t, map[string]string{"existing": file, "password-file": password}); err == nil || !strings.HasPrefix(err.Error(), "--provisioner: ") {
		t.Errorf("got %v", err)
	}
}

func TestAFailureHalfWaySaysWhatWasWritten(t *testing.T) {
	p := prepare(t, nil)
	dir := filepath.Dir(filepath.Dir(p.config))
	if err := os.WriteFile(filepath.Join(dir, "config"), nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	err := p.Write()
	if err == nil {
		t.Fatal("written")
	}
	for _, name := range tree(t, dir) {
		if path := filepath.Join(dir, name); name != "config" && !strings.Contains(err.Error(), path) {
			t.Errorf("%s is not named in %v", path, err)
		}
	}
	if !strings.Contains(err.Error(), "intermediate_ca_key") {
		t.Errorf("got %v", err)
	}
}

func TestAnExistingCAGoesOnWhenItsConfigurationCannotBeReplaced(t *testing.T) {
	file, password := existing(t, "EC")
	p := prepare(t, map[string]string{"existing": file, "provisioner": "second", "password-file": password})
	changed := read(t, file) + " "
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	err := p.Write()
	if err == nil || !strings.Contains(err.Error(), "was changed meanwhile") || !strings.Contains(err.Error(), "second.secret") {
		t.Errorf("got %v", err)
	}
	if read(t, file) != changed {
		t.Error("somebody's change is lost")
	}
	if left := tree(t, filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}
