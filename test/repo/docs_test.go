package repo

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	inlineLink    = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	referenceLink = regexp.MustCompile(`(?m)^\[[^\]]+\]:\s+(\S+)`)
	heading       = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*#*$`)
	fence         = regexp.MustCompile("(?ms)^\\s*```.*?^\\s*```")
	codeSpan      = regexp.MustCompile("`[^`\n]*`")
)

func TestTheLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	checked := 0
	for _, file := range files(t, ".md") {
		text := fence.ReplaceAllString(read(t, file), "")
		plain := codeSpan.ReplaceAllString(text, "")
		for _, match := range append(inlineLink.FindAllStringSubmatch(plain, -1), referenceLink.FindAllStringSubmatch(plain, -1)...) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			name, anchor, _ := strings.Cut(target, "#")
			linked := file
			if name != "" {
				linked = path.Join(path.Dir(file), name)
			}
			if _, err := os.Stat(filepath.Join(root, linked)); err != nil || strings.HasPrefix(linked, "..") {
				t.Errorf("%s: %q leads nowhere", file, target)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, linked)), anchor) {
				t.Errorf("%s: %q is no heading of %s", file, anchor, linked)
			}
		}
	}
	if checked == 0 {
		t.Error("there is no link at all")
	}
}

// anchors returns the anchors that GitHub gives to the headings of a document.
func anchors(text string) []string {
	var found []string
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, match[1])
		found = append(found, anchor)
	}
	return found
}

func TestAnchorsAreThoseOfGitHub(t *testing.T) {
	got := anchors("# The `intune` block\n\n```\n# no heading\n```\n## What it does, and doesn't\n")
	if want := []string{"the-intune-block", "what-it-does-and-doesnt"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestTheMakeCommandsAreTargets(t *testing.T) {
	target := regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	var targets []string
	for _, match := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, match[1])
	}
	command := regexp.MustCompile("(?m)(?:^|`|run:)[ \t]*make ([a-z][a-z0-9-]*)")
	var named []string
	for _, file := range append(append(files(t, ".md"), workflows(t)...), ".ci/run") {
		for _, match := range command.FindAllStringSubmatch(commandsOf(read(t, file), file), -1) {
			if named = append(named, match[1]); !slices.Contains(targets, match[1]) {
				t.Errorf("%s: make %s is no target", file, match[1])
			}
		}
	}
	for _, must := range []string{"demo", "test"} {
		if !slices.Contains(named, must) || !strings.Contains(read(t, "README.md"), "make "+must) {
			t.Errorf("make %s is not named", must)
		}
	}
}

// commandsOf returns what a document shows as code, or a script whole.
func commandsOf(text, file string) string {
	if !strings.HasSuffix(file, ".md") {
		return text
	}
	code := fence.FindAllString(text, -1)
	return strings.Join(append(code, codeSpan.FindAllString(fence.ReplaceAllString(text, ""), -1)...), "\n")
}

func TestTheFilesThatTheDocumentsNameExist(t *testing.T) {
	name := regexp.MustCompile("`((?:docs|examples|test|cmd|intune|provisioner|webhook)/[A-Za-z0-9_./-]+)`")
	for _, file := range files(t, ".md") {
		for _, match := range name.FindAllStringSubmatch(read(t, file), -1) {
			if _, err := os.Stat(filepath.Join(root, match[1])); err != nil {
				t.Errorf("%s names %s", file, match[1])
			}
		}
	}
}
