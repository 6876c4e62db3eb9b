package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/cmd/step-ca-intune/setup"
)

func TestInitMakesACAWithoutQuestions(t *testing.T) {
	t.Setenv(setup.SecretEnv, "from~the.environment")
	dir, out := t.TempDir(), new(bytes.Buffer)
	err := newTestApp(out).Run([]string{"step-ca-intune", "init", "--yes", "--kty", "EC", "--dir", dir, "--dns", "ca.contoso.example",
		"--tenant", "contoso.onmicrosoft.com", "--client-id", "11111111-2222-3333-4444-555555555555"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config", "ca.json")
	if _, err := os.Stat(file); err != nil || !strings.Contains(out.String(), file) || !strings.Contains(out.String(), "https://ca.contoso.example/scep/intune") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestInitRefusesWhatItIsNotTold(t *testing.T) {
	for args, want := range map[string]string{
		"init --yes":                     "--tenant: is missing",
		"init --yes --tenant=":           "--tenant: is empty",
		"init --yes ca.json":             `"ca.json" belongs behind a flag`,
		"init --yes --client-secret=abc": "flag provided but not defined",
	} {
		out := new(bytes.Buffer)
		if err := newTestApp(out).Run(append([]string{"step-ca-intune"}, strings.Fields(args)...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
