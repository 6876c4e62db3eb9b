package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// stepCA is the module that this program is built on.
const stepCA = "github.com/smallstep/certificates"

// Filled in by the linker in a release build.
var (
	version   = ""
	buildTime = "N/A"
)

type versions struct{ ours, stepCA, built string }

// readVersion tells our version and step-ca's; the latter is what go.mod had at the build.
func readVersion() versions {
	v := versions{ours: version, stepCA: "unknown", built: buildTime}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.ours == "" {
		v.ours = strings.TrimPrefix(info.Main.Version, "v")
	}
	for _, dep := range info.Deps {
		if dep.Path == stepCA {
			v.stepCA = strings.TrimPrefix(dep.Version, "v")
		}
	}
	return v
}

// print writes what --version shows.
func (v versions) print(w io.Writer) {
	fmt.Fprintf(w, "step-ca-intune/%s (%s/%s)\nstep-ca/%s\n", v.ours, runtime.GOOS, runtime.GOARCH, v.stepCA)
	if v.built != "N/A" {
		fmt.Fprintf(w, "Release Date: %s\n", v.built)
	}
}
