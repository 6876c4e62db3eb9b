package provisioner

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.step.sm/crypto/kms/apiv1"
	_ "go.step.sm/crypto/kms/azurekms" // of an example's key
)

// copyFile copies the contents of a file.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, text)
}

func TestTheExamplesAreAccepted(t *testing.T) {
	files, err := filepath.Glob("../examples/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var conf object
			if err := json.Unmarshal(text, &conf); err != nil {
				t.Fatal(err)
			}
			wantAccepted(t, conf)
		})
	}
}

// wantAccepted starts a CA with a configuration as an operator writes it. Files, keys and
// databases of the operator's machine become those of the test.
func wantAccepted(t *testing.T, conf object) {
	t.Helper()
	conf = standIn(t, conf).(object)
	edit := func(own object) {
		for k, v := range conf {
			if _, path := own[k].(string); !path {
				own[k] = v
			}
		}
	}
	plugin := newPlugin()
	t.Cleanup(plugin.Stop)
	r, err := constructPlugin(t, plugin, writeCA(t, edit), newFakeClient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.authority.GetTLSCertificate(); err != nil {
		t.Error(err)
	}
	if len(r.instance.entries) == 0 {
		t.Error("there is no Intune entry in it")
	}
}

// standIn replaces what a configuration names outside of itself.
func standIn(t testing.TB, v any) any {
	t.Helper()
	switch v := v.(type) {
	case object:
		standInKey(t, v)
		standInDatabase(t, v)
		if _, ok := v["statusAddress"]; ok {
			v["statusAddress"] = freeAddress(t)
		}
		for k, inner := range v {
			v[k] = standIn(t, inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = standIn(t, inner)
		}
	case string:
		if !filepath.IsAbs(v) || strings.HasPrefix(v, os.TempDir()) {
			return v
		}
		content := []byte("s3cret")
		if strings.HasSuffix(v, ".crt") || strings.HasSuffix(v, ".pem") {
			content = certificatePEM(testRoot().certificate)
		}
		return writeFile(t, filepath.Join(t.TempDir(), "file"), content)
	}
	return v
}

// standInKey replaces the application's certificate and its key, whose KMS must be one that
// the program links.
func standInKey(t testing.TB, o object) {
	t.Helper()
	key, ok := o["key"].(string)
	if _, pair := o["certificate"]; !ok || !pair {
		return
	}
	if strings.Contains(key, ":") {
		typ, err := apiv1.TypeOf(key)
		if _, linked := apiv1.LoadKeyManagerNewFunc(typ); err != nil || !linked {
			t.Errorf("%q is no key that can be opened: %v", key, err)
		}
	}
	app := newIssuer("application", nil, rsaKey(), false)
	dir := t.TempDir()
	o["certificate"] = writeFile(t, filepath.Join(dir, "app.crt"), certificatePEM(app.certificate))
	o["key"] = writeFile(t, filepath.Join(dir, "app.key"), keyPEM(app.key))
}

// standInDatabase replaces any database by badger.
func standInDatabase(t testing.TB, o object) {
	t.Helper()
	source, ok := o["dataSource"].(string)
	if !ok {
		return
	}
	if o["type"] == "postgresql" {
		if u, err := url.Parse(source); err != nil || u.Scheme != "postgresql" || u.Host == "" || u.Path == "" {
			t.Errorf("%q names no database: %v", source, err)
		}
	}
	o["type"], o["dataSource"] = "badgerv2", filepath.Join(t.TempDir(), "db")
}
