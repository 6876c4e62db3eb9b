package repo

import (
	"go/parser"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const stepca = "github.com/smallstep/certificates"

// dependencies returns all packages that a package of the module is built from.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+pkg)
	list.Dir, list.Env, list.Stderr = root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly"), os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}

func below(pkg, parent string) bool { return pkg == parent || strings.HasPrefix(pkg, parent+"/") }

func TestPackagesKeepTheirDistance(t *testing.T) {
	for pkg, rule := range map[string]struct{ never, except []string }{
		"intune":              {never: []string{stepca, module}, except: []string{module + "/intune"}},
		"provisioner/profile": {never: []string{stepca, module}, except: []string{module + "/provisioner/profile"}},
		"provisioner/report":  {never: []string{stepca, module}, except: []string{module + "/provisioner/report", module + "/intune"}},
		"provisioner/status":  {never: []string{stepca, module}, except: []string{module + "/provisioner/status", module + "/provisioner/report", module + "/intune"}},
		"webhook":             {never: []string{stepca, module}, except: []string{stepca + "/webhook", module + "/webhook"}},
		"test/intunesim":      {never: []string{stepca, module}, except: []string{module + "/test/intunesim", module + "/intune"}},
		"cmd/step-ca-intune":  {never: []string{module + "/test"}},
	} {
		t.Run(pkg, func(t *testing.T) {
			deps := dependencies(t, pkg)
			if !slices.Contains(deps, module+"/"+pkg) {
				t.Fatalf("%s is not among its %d packages", pkg, len(deps))
			}
			isBelow := func(parent string) func(string) bool {
				return func(dep string) bool { return below(dep, parent) }
			}
			for _, never := range rule.never {
				for _, dep := range slices.DeleteFunc(slices.Clone(deps), func(d string) bool { return !isBelow(never)(d) }) {
					if !slices.ContainsFunc(rule.except, func(e string) bool { return below(dep, e) }) {
						t.Errorf("it needs %s", dep)
					}
				}
			}
		})
	}
}

func TestTheWebhookPackageImportsStepCAsTypesOnly(t *testing.T) {
	for file, imports := range importsOf(t, "webhook") {
		for _, path := range imports {
			if below(path, stepca) && path != stepca+"/webhook" {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}

func TestTheProductImportsNothingOfTheTests(t *testing.T) {
	for _, dir := range []string{"cmd", "intune", "webhook", "provisioner"} {
		for file, imports := range importsOf(t, dir) {
			for _, path := range imports {
				if below(path, module+"/test") {
					t.Errorf("%s imports %s", file, path)
				}
			}
		}
	}
}

// importsOf returns what the files below a folder import, tests apart.
func importsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, file := range files(t, ".go") {
		if !strings.HasPrefix(file, dir+"/") || isTest(file) {
			continue
		}
		for _, spec := range parse(t, file, parser.ImportsOnly).Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[file] = append(found[file], path)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no file below %s", dir)
	}
	return found
}

func TestNoModuleIsReplaced(t *testing.T) {
	replace := regexp.MustCompile(`(?m)^\s*replace\b|=>`)
	for _, file := range files(t, "go.mod") {
		if found := replace.FindString(read(t, file)); found != "" {
			t.Errorf("%s holds %q", file, found)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "go.work")); err == nil {
		t.Error("there is a go.work")
	}
}

func TestTheModulesThatMustBeDirectAreFewAndKnown(t *testing.T) {
	allowed := []string{
		"github.com/AzureAD/microsoft-authentication-library-for-go", "github.com/go-json-experiment/json", "github.com/go-chi/chi/v5", "github.com/golang-jwt/jwt/v5", "github.com/google/uuid",
		"github.com/smallstep/certificates", "github.com/smallstep/linkedca", "github.com/smallstep/nosql", "github.com/smallstep/pkcs7",
		"github.com/smallstep/scep", "github.com/urfave/cli", "go.step.sm/crypto", "golang.org/x/crypto", "golang.org/x/net", "golang.org/x/sync",
		"github.com/smallstep/cli-utils", "github.com/prometheus/client_golang",
		"github.com/dgraph-io/badger", "github.com/dgraph-io/badger/v2", "go.etcd.io/bbolt",
	}
	line := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	for _, match := range line.FindAllStringSubmatch(read(t, "go.mod"), -1) {
		if !slices.Contains(allowed, match[1]) {
			t.Errorf("%s is a new direct dependency: it needs a reason, and a place in this list", match[1])
		}
	}
}
