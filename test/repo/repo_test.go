// Package repo checks the rules of the repository itself.
package repo

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/step-ca-intune/step-ca-intune"
)

// files returns the paths, below the root, of all files with one of the endings.
func files(t *testing.T, endings ...string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", "bin", "dist"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(path, end) }) {
			relative, err := filepath.Rel(root, path)
			found = append(found, filepath.ToSlash(relative))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("there are no files with %q", endings)
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, file string, mode parser.Mode) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func isTest(file string) bool { return strings.HasSuffix(file, "_test.go") }

func TestEveryPackageHasOnePackageComment(t *testing.T) {
	type docs struct{ code, test int }
	found := map[string]*docs{}
	onlyTests := map[string]bool{}
	for _, file := range files(t, ".go") {
		dir := filepath.Dir(file)
		if found[dir] == nil {
			found[dir], onlyTests[dir] = new(docs), true
		}
		onlyTests[dir] = onlyTests[dir] && isTest(file)
		f := parse(t, file, parser.ParseComments|parser.PackageClauseOnly)
		switch text := f.Doc.Text(); {
		case text == "":
		case isTest(file):
			found[dir].test++
		default:
			found[dir].code++
			if f.Name.Name != "main" && !strings.HasPrefix(text, "Package "+f.Name.Name+" ") {
				t.Errorf("%s: the package comment does not begin with %q", file, "Package "+f.Name.Name)
			}
		}
	}
	for dir, d := range found {
		if n := d.code; !onlyTests[dir] && (n != 1 || d.test > 0) || onlyTests[dir] && d.test != 1 {
			t.Errorf("%s: %d package comments, %d in tests", dir, n, d.test)
		}
	}
}

func TestGoFilesAreFormatted(t *testing.T) {
	for _, file := range files(t, ".go") {
		text := read(t, file)
		formatted, err := format.Source([]byte(text))
		if err != nil || string(formatted) != text {
			t.Errorf("%s is not formatted: %v", file, err)
		}
	}
}

func TestNoGoFileIsLongerThan400Lines(t *testing.T) {
	for _, file := range files(t, ".go") {
		if n := strings.Count(read(t, file), "\n"); n > 400 {
			t.Errorf("%s has %d lines", file, n)
		}
	}
}

func TestNothingIsLeftToBeDone(t *testing.T) {
	// Put together, so that this file may be searched, too.
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK:"}
	for _, file := range files(t, ".go", ".md", ".sh", "Makefile", ".json", ".ci/run") {
		text := read(t, file)
		for _, mark := range marks {
			if strings.Contains(text, mark) {
				t.Errorf("%s holds %q", file, mark)
			}
		}
	}
}
