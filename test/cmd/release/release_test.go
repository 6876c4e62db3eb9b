package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestABillOfMaterialsNamesEveryModuleOnce(t *testing.T) {
	r := release{version: "v1.2.3", date: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "example.org/own", Version: "(devel)"}, Deps: []*debug.Module{
		{Path: "example.org/A_b", Version: "v1.0.0"},
		{Path: "example.org/A-b", Version: "v2.0.0+incompatible"},
		{Path: "example.org/old", Version: "v0.1.0", Replace: &debug.Module{Path: "example.org/new", Version: "v0.2.0"}},
	}}
	bill := r.bill(platform{"windows", "amd64"}, info, strings.Repeat("ab", 32))

	var locators []string
	ids := map[string]bool{bill.ID: true}
	valid := regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	for _, p := range bill.Packages {
		if ids[p.ID] || !valid.MatchString(p.ID) {
			t.Errorf("id %q is not valid, or there twice", p.ID)
		}
		ids[p.ID] = true
		locators = append(locators, p.References[0].Locator)
	}
	want := []string{
		"pkg:golang/example.org/own@v1.2.3", "pkg:golang/stdlib@1.26.8", "pkg:golang/example.org/A_b@v1.0.0",
		"pkg:golang/example.org/A-b@v2.0.0%2Bincompatible", "pkg:golang/example.org/new@v0.2.0",
	}
	if got := strings.Join(locators, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("packages\n%s", got)
	}
	if bill.Packages[0].File != "step-ca-intune-windows-amd64.exe" || bill.Packages[0].Checksums[0].Value != strings.Repeat("ab", 32) {
		t.Errorf("it does not say which file it is about: %+v", bill.Packages[0])
	}
	if len(bill.Relationships) != len(bill.Packages) {
		t.Errorf("%d relationships of %d packages", len(bill.Relationships), len(bill.Packages))
	}
	for _, rel := range bill.Relationships {
		if !ids[rel.From] || !ids[rel.To] {
			t.Errorf("%+v leads nowhere", rel)
		}
	}
}

func TestSumsAreThoseOfSha256sum(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"b": "hello\n", "a": "", sumsFile: "an old one"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(folder); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(folder, sumsFile))
	want := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n" +
		"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  b\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestEverythingThatIsLinkedHasALicence(t *testing.T) {
	text, err := collectLicences(t.Context(), platforms)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Go", "github.com/step-ca-intune/step-ca-intune", "github.com/smallstep/certificates v0.30.2"} {
		if !regexp.MustCompile(`(?m)^==== ` + regexp.QuoteMeta(name) + ` ?: LICENSE$`).Match(text) {
			t.Errorf("the licence of %s is missing", name)
		}
	}
}

func TestAPlatformThatIsNotReleasedIsRefused(t *testing.T) {
	if _, err := parsePlatforms([]string{"linux/amd64", "plan9/386"}); err == nil || !strings.Contains(err.Error(), "plan9/386") {
		t.Errorf("error %v", err)
	}
}

// docs/getting-started.md installs it.
func TestAReleaseHasTheUnitWithItsSum(t *testing.T) {
	t.Chdir("../../..")
	r := release{out: t.TempDir()}
	if err := r.complete(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(r.out, "step-ca-intune.service"))
	if err != nil || !strings.Contains(string(text), "ExecStart=/usr/local/bin/step-ca-intune ") {
		t.Errorf("%v: %q", err, text)
	}
	sums, err := os.ReadFile(filepath.Join(r.out, sumsFile))
	if err != nil || !strings.Contains(string(sums), "  step-ca-intune.service\n") {
		t.Errorf("%v: %q", err, sums)
	}
}
