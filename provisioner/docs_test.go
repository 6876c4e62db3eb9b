package provisioner

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smallstep/certificates/authority/provisioner"

	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
	"github.com/step-ca-intune/step-ca-intune/test/markdown"
)

// Whatever a document shows as JSON is part of a ca.json, and is loaded as one.
func TestTheConfigurationsInTheDocumentsAreAccepted(t *testing.T) {
	blocks, err := markdown.All("..")
	if err != nil {
		t.Fatal(err)
	}
	loaded := 0
	for _, b := range blocks {
		// Templates are tried by the tests of package profile.
		if b.Language != "json" || b.Excused() || b.File == "docs/certificates.md" && strings.Contains(b.Text, "{{") {
			continue
		}
		loaded++
		t.Run(b.String(), func(t *testing.T) {
			var o object
			if err := json.Unmarshal([]byte(b.Text), &o); err != nil {
				t.Fatal(err)
			}
			wantAccepted(t, whole(t, o))
		})
	}
	if loaded < 2 {
		t.Errorf("%d configurations", loaded)
	}
}

// whole returns a ca.json around a part of one.
func whole(t *testing.T, part object) object {
	t.Helper()
	entry := intuneEntry(t, "intune")
	knows := func(typ reflect.Type) bool {
		keys := keysOf(typ)
		for k := range part {
			if !slices.Contains(keys, k) {
				return false
			}
		}
		return true
	}
	switch {
	case part["authority"] != nil:
		return part
	case part["type"] != nil:
		entry = part
	case part["intune"] != nil && knows(reflect.TypeFor[struct {
		Intune statusSettings `json:"intune"`
	}]()):
		part["authority"] = object{"provisioners": []any{entry}}
		return part
	case knows(reflect.TypeFor[settings]()):
		for k, v := range part {
			entry = with(entry, v, "intune", k)
		}
	case knows(reflect.TypeFor[profile.Settings]()):
		entry = with(entry, part, "intune", "profile")
	case knows(reflect.TypeFor[provisioner.SCEP]()):
		for k, v := range part {
			entry[k] = v
		}
	default:
		t.Fatalf("it is no part of ca.json that the plugin reads: %v", part)
	}
	return object{"authority": object{"provisioners": []any{entry}}}
}

// keysOf returns the names of a struct's fields in JSON.
func keysOf(typ reflect.Type) []string {
	var keys []string
	for f := range typ.Fields() {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// documentedKeys returns the keys in the first column of the table that follows a line of
// the reference.
func documentedKeys(t *testing.T, line string) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "\n"+line+"\n")
	if !ok {
		t.Fatalf("docs/configuration.md has no line %q", line)
	}
	var keys []string
	for row := range strings.Lines(rest) {
		cells := strings.Split(row, "|")
		if len(cells) < 2 {
			if keys != nil {
				break
			}
			continue
		}
		for _, key := range codeSpan.FindAllStringSubmatch(cells[1], -1) {
			keys = append(keys, key[1])
		}
	}
	slices.Sort(keys)
	return keys
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// pathsOf returns the keys of a struct and, with dots, those of the structs in it. The
// profile and the credential have tables of their own.
func pathsOf(typ reflect.Type) []string {
	var paths []string
	for f := range typ.Fields() {
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		key := f.Tag.Get("json")
		if inner.Kind() != reflect.Struct || inner == reflect.TypeFor[profile.Settings]() || inner == reflect.TypeFor[credentialSettings]() {
			paths = append(paths, key)
			continue
		}
		for _, below := range pathsOf(inner) {
			paths = append(paths, key+"."+below)
		}
	}
	slices.Sort(paths)
	return paths
}

// The reference and the structs that ca.json is decoded into name the same keys.
func TestEveryKeyIsDocumentedAndNoOther(t *testing.T) {
	for line, typ := range map[string]reflect.Type{
		"## The `intune` block":                  reflect.TypeFor[settings](),
		"`credential` is one of":                 reflect.TypeFor[credentialSettings](),
		"## The `intune` block at the top level": reflect.TypeFor[statusSettings](),
	} {
		if got, want := documentedKeys(t, line), pathsOf(typ); !slices.Equal(got, want) {
			t.Errorf("%s\ndocumented %q\nread       %q", line, got, want)
		}
	}
}

// Of step-ca's own keys the page names those that differ here, and none that is not there.
func TestTheKeysOfTheEntryExist(t *testing.T) {
	known := keysOf(reflect.TypeFor[provisioner.SCEP]())
	for _, key := range documentedKeys(t, "## The entry") {
		if top, _, _ := strings.Cut(key, "."); !slices.Contains(known, top) {
			t.Errorf("step-ca has no key %q", key)
		}
	}
}
