package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const product = "github.com/step-ca-intune/step-ca-intune/cmd/step-ca-intune"

// platform is what Go builds for.
type platform struct{ os, arch string }

// platforms are those that are released.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

// parsePlatforms returns the named platforms, or all.
func parsePlatforms(names []string) ([]platform, error) {
	if len(names) == 0 {
		return platforms, nil
	}
	var found []platform
	for _, name := range names {
		goos, arch, _ := strings.Cut(name, "/")
		p := platform{goos, arch}
		if !slices.Contains(platforms, p) {
			return nil, fmt.Errorf("%q is not a platform that is released", name)
		}
		found = append(found, p)
	}
	return found, nil
}

// name is the beginning of the names of the platform's files. The version is no part of
// it, so that the Dockerfile and a download address can name a file of any release.
func (p platform) name() string { return "step-ca-intune-" + p.os + "-" + p.arch }

func (p platform) binary() string {
	if p.os == "windows" {
		return p.name() + ".exe"
	}
	return p.name()
}

func (p platform) environment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
}

// build compiles the product as `make build` does.
func (r *release) build(ctx context.Context, p platform) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", r.ldflags,
		"-o", filepath.Join(r.out, p.binary()), product)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.environment(), os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s: %w", p.binary(), err)
	}
	return nil
}
