package provisioner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	if err != nil || len(files) == 0 {
		t.Fatalf("no example: %v", err)
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
			// The paths of an operator's machine become those of this test.
			conf = standIn(t, conf).(object)
			edit := func(own object) {
				for k, v := range conf {
					if _, path := own[k].(string); !path {
						own[k] = v
					}
				}
				if d, ok := own["db"].(object); ok {
					d["dataSource"] = filepath.Join(t.TempDir(), "db")
				}
			}
			r, err := constructPlugin(t, newPlugin(), writeCA(t, edit), newFakeClient())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.authority.GetTLSCertificate(); err != nil {
				t.Error(err)
			}
			if len(r.instance.entries) == 0 {
				t.Error("there is no Intune entry in it")
			}
		})
	}
}

// standIn replaces each absolute path in a configuration with that of a file of its kind.
func standIn(t testing.TB, v any) any {
	t.Helper()
	switch v := v.(type) {
	case object:
		for k, inner := range v {
			v[k] = standIn(t, inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = standIn(t, inner)
		}
	case string:
		if !filepath.IsAbs(v) {
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
