package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// stepCA is the module that this program is built on.
const stepCA = "github.com/smallstep/certificates"

// Filled in by the linker, see the Makefile: git's name for the version, the commit, and
// its time as RFC 3339 has it. Not the time of the build, so that a second build of the
// same commit is the same file.
var version, commit, date string

type versions struct{ ours, stepCA, commit, built string }

// readVersion tells our version and step-ca's. What the linker was not given comes from
// what Go notes itself, which is less: a program made by `go install` knows no commit.
func readVersion() versions {
	v := versions{ours: version, stepCA: "unknown", commit: commit, built: date}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.fill(info)
	}
	v.ours = strings.TrimPrefix(v.ours, "v")
	v.stepCA = strings.TrimPrefix(v.stepCA, "v")
	// As step-ca writes it.
	if t, err := time.Parse(time.RFC3339, v.built); err == nil {
		v.built = t.UTC().Format("2006-01-02 15:04 UTC")
	}
	v.built = cmp.Or(v.built, "N/A")
	return v
}

func (v *versions) fill(info *debug.BuildInfo) {
	v.ours = cmp.Or(v.ours, info.Main.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.commit = cmp.Or(v.commit, s.Value)
		case "vcs.time":
			v.built = cmp.Or(v.built, s.Value)
		}
	}
	for _, dep := range info.Deps {
		if dep.Path == stepCA {
			v.stepCA = dep.Version
		}
	}
}

// print writes what --version shows.
func (v versions) print(w io.Writer) {
	fmt.Fprintf(w, "step-ca-intune/%s (%s/%s)\nstep-ca/%s\n", v.ours, runtime.GOOS, runtime.GOARCH, v.stepCA)
	if v.commit != "" {
		fmt.Fprintf(w, "Commit: %s\n", v.commit)
	}
	if v.built != "N/A" {
		fmt.Fprintf(w, "Release Date: %s\n", v.built)
	}
}
