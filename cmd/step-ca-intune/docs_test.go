package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smallstep/certificates/commands"
	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/test/markdown"
)

// Each command of ours in a document, excused or not, exists with the flags that it is
// given.
func TestTheCommandsInTheDocumentsExist(t *testing.T) {
	blocks, err := markdown.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, b := range blocks {
		if b.Language != "sh" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.Text, "\\\n", " ")) {
			line, _, _ = strings.Cut(line, " #")
			if m := ourCommand.FindStringSubmatch(line); m != nil {
				found++
				wantCommand(t, b.String(), strings.Fields(m[1]))
			}
		}
	}
	if found == 0 {
		t.Error("no document shows a command")
	}
}

// ourCommand is a command line that runs this program, perhaps as somebody else.
var ourCommand = regexp.MustCompile(`^\s*(?:sudo (?:-u \S+ )?)?(?:\S*/)?step-ca-intune (.*)`)

// wantCommand checks the words of a command line, without the program's name.
func wantCommand(t *testing.T, where string, words []string) {
	t.Helper()
	flags, below := commands.AppCommand.Flags, newApp(versions{}).Commands
	for i, word := range words {
		if n := slices.IndexFunc(below, func(c cli.Command) bool { return c.HasName(word) }); n >= 0 {
			flags, below = below[n].Flags, below[n].Subcommands
			continue
		}
		name, isFlag := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		switch {
		case isFlag && name != "help" && name != "version" && !slices.ContainsFunc(flags, func(f cli.Flag) bool {
			return slices.Contains(strings.Split(strings.ReplaceAll(f.GetName(), " ", ""), ","), name)
		}):
			t.Errorf("%s: there is no flag --%s in %q", where, name, words)
		case !isFlag && len(below) > 0 && commandName.MatchString(word):
			t.Errorf("%s: there is no command %q in %q", where, word, words[:i+1])
		}
		below = nil // what follows an argument is no command
	}
}

// commandName is what can be the name of a command and not of a file.
var commandName = regexp.MustCompile(`^[a-z-]+$`)

// In prose a command stands as a span of code.
func TestTheCommandsInProseExist(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	span := regexp.MustCompile("`step-ca-intune ([^`]+)`")
	for _, file := range append(files, "../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range span.FindAllStringSubmatch(string(text), -1) {
			wantCommand(t, file, strings.Fields(match[1]))
		}
	}
}
