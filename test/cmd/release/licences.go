package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// collectLicences returns the licences and notices of all that is linked on any of the
// platforms, one after the other: most of them ask to be passed on with a binary.
func collectLicences(ctx context.Context, targets []platform) ([]byte, error) {
	folders := map[string]string{} // by module and version
	for _, p := range targets {
		if err := p.modules(ctx, folders); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		files, err := licencesIn(folders[name])
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no licence: it cannot be part of a release", name)
		}
		for _, file := range files {
			content, err := os.ReadFile(filepath.Join(folders[name], file))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&text, "==== %s: %s\n\n%s\n\n", name, file, bytes.TrimSpace(content))
		}
	}
	return text.Bytes(), nil
}

// modules adds the folders of the modules that the product links on a platform, and that
// of Go itself.
func (p platform) modules(ctx context.Context, folders map[string]string) error {
	list := exec.CommandContext(ctx, "go", "list", "-deps", "-f",
		`{{if .Standard}}Go	{{.Root}}{{else}}{{with .Module}}{{.Path}} {{.Version}}	{{.Dir}}{{end}}{{end}}`, product)
	list.Env, list.Stderr = p.environment(), os.Stderr
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("listing the modules of %s: %w", p.binary(), err)
	}
	for line := range strings.Lines(string(out)) {
		name, folder, _ := strings.Cut(strings.TrimSpace(line), "\t")
		folders[strings.TrimSpace(name)] = folder
	}
	return nil
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

func licencesIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && licenceName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
