package setup

import (
	"crypto"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	testTenant = "contoso.onmicrosoft.com"
	testClient = "11111111-2222-3333-4444-555555555555"
	testSecret = "kept~between.us"
)

// fewKeys are made once: RSA keys take their time.
var (
	fewKeys = sync.OnceValue(func() []crypto.Signer {
		var keys []crypto.Signer
		for range 3 {
			key, err := newKey("RSA")
			if err != nil {
				panic(err)
			}
			keys = append(keys, key)
		}
		return keys
	})
	nextKey atomic.Uint32
)

// someKey returns one of a few RSA keys, never the same twice in a row, or a new EC key.
func someKey(kty string) (crypto.Signer, error) {
	if kty != "RSA" {
		return newKey(kty)
	}
	return fewKeys()[nextKey.Add(1)%3], nil
}

// options returns what a test decides, by flag, on top of what is required.
func options(t *testing.T, flags map[string]string) *Options {
	t.Helper()
	o := &Options{keys: someKey}
	all := map[string]string{"tenant": testTenant, "client-id": testClient, "secret-file": write(t, testSecret+"\n")}
	if flags["existing"] == "" {
		all["dir"], all["dns"], all["kty"] = t.TempDir(), "ca.contoso.example", "EC"
	}
	for flag, value := range flags {
		all[flag] = value
	}
	for _, s := range o.Settings() {
		*s.Value = all[s.Flag]
		delete(all, s.Flag)
	}
	if len(all) > 0 {
		t.Fatalf("there are no flags %v", all)
	}
	return o
}

// prepare returns the plan that flags lead to, without a question.
func prepare(t *testing.T, flags map[string]string) *Plan {
	t.Helper()
	o := options(t, flags)
	if err := o.Complete(nil); err != nil {
		t.Fatal(err)
	}
	p, err := Prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newAuthority writes a CA and returns its folder.
func newAuthority(t *testing.T, flags map[string]string) (folder string) {
	t.Helper()
	p := prepare(t, flags)
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(filepath.Dir(p.config))
}

// originals has a folder for each type of keys with a CA that is made once: to encrypt keys
// takes its time, too.
var originals struct {
	sync.Mutex
	root    string
	folders map[string]string
}

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if originals.root, err = os.MkdirTemp("", "setup"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(originals.root)
	originals.folders = map[string]string{}
	return m.Run()
}

// anAuthority returns the folder of a CA that was made without further flags, the test's own.
func anAuthority(t *testing.T, kty string) (folder string) {
	t.Helper()
	originals.Lock()
	defer originals.Unlock()
	original := originals.folders[kty]
	if original == "" {
		original = newAuthority(t, map[string]string{"dir": filepath.Join(originals.root, kty), "kty": kty, "name": "Contoso"})
		originals.folders[kty] = original
	}
	folder = t.TempDir()
	for _, name := range tree(t, original) {
		from, to := filepath.Join(original, name), filepath.Join(folder, name)
		info, err := os.Stat(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(strings.ReplaceAll(read(t, from), original, folder)), info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// tryPrepare returns the error that flags lead to.
func tryPrepare(t *testing.T, flags map[string]string) error {
	t.Helper()
	o := options(t, flags)
	if err := o.Complete(nil); err != nil {
		return err
	}
	_, err := Prepare(o)
	return err
}

func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func guideOf(p *Plan) string {
	var b strings.Builder
	p.Guide(&b)
	return b.String()
}
