package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// Both programs are built by the test from this module, as releases are: without cgo.
var (
	oursPackage  = "github.com/step-ca-intune/step-ca-intune/cmd/step-ca-intune"
	stockPackage = stepCA + "/cmd/step-ca"
)

func build(t *testing.T, pkg string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), filepath.Base(pkg))
	run(t, "go", "build", "-o", file, pkg)
	return file
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "STEPPATH="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

var (
	colour = regexp.MustCompile("\x1b\\[[0-9;]*m")
	option = regexp.MustCompile(`(?m)^ *(--[a-z0-9-]+)`)
	subcmd = regexp.MustCompile(`(?m)^ +([a-z]+)(, [a-z]+)?  +[a-z]`)
)

// ownCommands are those that step-ca does not have.
var ownCommands = []string{"init", "explain", "check", "retire", "status", "reports"}

func TestTheCommandLineIsStepCAs(t *testing.T) {
	ours, stock := build(t, oursPackage), build(t, stockPackage)
	for what, r := range map[string]*regexp.Regexp{"flags": option, "commands": subcmd} {
		find := func(binary string) []string {
			var found []string
			for _, m := range r.FindAllStringSubmatch(colour.ReplaceAllString(run(t, binary, "--help"), ""), -1) {
				found = append(found, m[1])
			}
			slices.Sort(found)
			return slices.Compact(found)
		}
		a, b := find(ours), find(stock)
		a = slices.DeleteFunc(a, func(name string) bool { return slices.Contains(ownCommands, name) })
		if len(b) < 3 || !slices.Equal(a, b) {
			t.Errorf("%s: ours %q, stock %q", what, a, b)
		}
	}
	for _, args := range []string{"--version", "version"} {
		out := run(t, ours, args)
		if !strings.HasPrefix(out, "step-ca-intune/") || !strings.Contains(out, "\nstep-ca/0.30.2\n") {
			t.Errorf("%s prints %q", args, out)
		}
	}
}

func TestEveryPluginOfTheStockBinaryIsLinked(t *testing.T) {
	plugins := func(pkg string) []string {
		var found []string
		for p := range strings.Lines(run(t, "go", "list", "-deps", pkg)) {
			p = strings.TrimSpace(p)
			if strings.HasPrefix(p, "go.step.sm/crypto/kms/") || strings.HasPrefix(p, stepCA+"/cas/") {
				found = append(found, p)
			}
		}
		slices.Sort(found)
		return found
	}
	ours, stock := plugins(oursPackage), plugins(stockPackage)
	if len(stock) < 10 || !slices.Equal(ours, stock) {
		t.Errorf("ours %q, stock %q", ours, stock)
	}
}

func TestTheVersionsArePrinted(t *testing.T) {
	out := new(bytes.Buffer)
	versions{ours: "1.2.3", stepCA: "0.30.2", commit: "77e8e8f", built: "2026-11-22 12:00 UTC"}.print(out)
	for _, want := range []string{
		"step-ca-intune/1.2.3 (", "\nstep-ca/0.30.2\n", "\nCommit: 77e8e8f\n", "\nRelease Date: 2026-11-22 12:00 UTC\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in %q", want, out)
		}
	}
}

func TestWhatTheLinkerKnowsCountsMoreThanWhatGoNotes(t *testing.T) {
	info := &debug.BuildInfo{
		Main:     debug.Module{Version: "v0.9.0"},
		Deps:     []*debug.Module{{Path: stepCA, Version: "v0.30.2"}},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "bbbb"}, {Key: "vcs.time", Value: "2026-01-01T00:00:00Z"}},
	}
	linked := versions{ours: "v1.2.3", commit: "aaaa", built: "2026-11-22T12:00:00Z"}
	linked.fill(info)
	if want := (versions{ours: "v1.2.3", stepCA: "v0.30.2", commit: "aaaa", built: "2026-11-22T12:00:00Z"}); linked != want {
		t.Errorf("with the linker's: %+v", linked)
	}
	var installed versions
	installed.fill(info)
	if want := (versions{ours: "v0.9.0", stepCA: "v0.30.2", commit: "bbbb", built: "2026-01-01T00:00:00Z"}); installed != want {
		t.Errorf("without: %+v", installed)
	}
}
