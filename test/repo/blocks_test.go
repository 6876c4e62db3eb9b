package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/markdown"
)

func blocks(t *testing.T) []markdown.Block {
	t.Helper()
	all, err := markdown.All(root)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every command and every configuration in a document is tried by a test, or says why not.
func TestEveryBlockIsTriedOrExcused(t *testing.T) {
	for _, b := range blocks(t) {
		if b.Marker != "" && !b.Excused() {
			t.Errorf("%s: %q is no marker that is known", b, b.Marker)
		}
		if b.Excused() {
			continue
		}
		switch b.Language {
		case "sh": // run by the tests of test/e2e, but for make
		case "json": // loaded by the tests of package provisioner
		case "go":
			checkGo(t, b)
		case "text": // a picture, or what a program prints
			if strings.Contains("\n"+b.Text, "\n$ ") || strings.Contains("\n"+b.Text, "\nmake ") {
				t.Errorf("%s: commands belong into a block of their own", b)
			}
		default:
			t.Errorf("%s: a block of %q is not tried by a test and says not why", b, b.Language)
		}
	}
}

// checkGo checks that Go in a document can be parsed, and that what it uses of package
// intune is there.
func checkGo(t *testing.T, b markdown.Block) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+b.Text+"}", 0)
	if err != nil {
		t.Errorf("%s: %v", b, err)
		return
	}
	exported := exportedBy(t, "intune")
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "intune" && !exported[s.Sel.Name] {
			t.Errorf("%s: there is no intune.%s", b, s.Sel.Name)
		}
		return true
	})
}

// exportedBy returns the exported names of a package.
func exportedBy(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	entries, err := fs.ReadDir(os.DirFS(filepath.Join(root, dir)), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" || isTest(e.Name()) {
			continue
		}
		for _, d := range parse(t, dir+"/"+e.Name(), 0).Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[d.Name.Name] = d.Recv == nil
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						names[spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

// A line of the log that a document names is one that the program writes.
func TestTheLinesOfTheLogThatTheDocumentsNameExist(t *testing.T) {
	var source strings.Builder
	for _, dir := range []string{"intune", "provisioner", "webhook"} {
		for _, file := range files(t, ".go") {
			if strings.HasPrefix(file, dir+"/") && !isTest(file) {
				source.WriteString(read(t, file))
			}
		}
	}
	cell := regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")
	for _, table := range []struct{ file, heading string }{
		{"docs/operations.md", "\n## What to watch in the log\n"},
		{"docs/troubleshooting.md", "\n## In the CA's log\n"},
		{"docs/troubleshooting.md", "\n## The CA does not start\n"},
		{"docs/troubleshooting.md", "\n## The CA cannot reach Intune\n"},
	} {
		_, text, ok := strings.Cut(read(t, table.file), table.heading)
		text, _, _ = strings.Cut(text, "\n## ")
		rows := cell.FindAllStringSubmatch(text, -1)
		if !ok || len(rows) == 0 {
			t.Errorf("%s has no table under %q", table.file, strings.TrimSpace(table.heading))
		}
		for _, row := range rows {
			for _, span := range codeSpan.FindAllString(row[1], -1) {
				line := strings.TrimPrefix(strings.Trim(span, "`"), "outcome=")
				if !strings.Contains(source.String(), line) {
					t.Errorf("%s: nothing writes %q", table.file, line)
				}
			}
		}
	}
}
