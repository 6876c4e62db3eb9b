package setup

import (
	"slices"
	"strings"
	"testing"
)

var testEntry = &entry{Type: "Intune", Name: "intune", Claims: claims{oneYear, oneYear}, Intune: intuneObject{Tenant: "t", ClientID: "c", Credential: credential{"f"}}}

const compactEntry = `{"type":"Intune","name":"intune","includeRoot":false,"encryptionAlgorithmIdentifier":0,` +
	`"claims":{"defaultTLSCertDuration":"8760h","maxTLSCertDuration":"8760h"},"intune":{"tenant":"t","clientID":"c","credential":{"secretFile":"f"}}}`

func TestAProvisionerIsAddedAndNothingElseTouched(t *testing.T) {
	for name, test := range map[string]struct{ before, after string }{
		"in one line":     {`{"authority":{"provisioners":[{"name":"a"}]},"x":1}`, `{"authority":{"provisioners":[{"name":"a"},ENTRY]},"x":1}`},
		"an empty list":   {`{"authority":{"provisioners":[ ]}}`, `{"authority":{"provisioners":[ENTRY]}}`},
		"null":            {`{"authority":{"provisioners":null, "claims":{}}}`, `{"authority":{"provisioners":[ENTRY], "claims":{}}}`},
		"no list":         {`{"authority":{"claims":{}}}`, `{"authority":{"provisioners": [ENTRY],"claims":{}}}`},
		"nothing":         {`{"authority":{}}`, `{"authority":{"provisioners": [ENTRY]}}`},
		"in other cases":  {`{"Authority":{"PROVISIONERS":[]}}`, `{"Authority":{"PROVISIONERS":[ENTRY]}}`},
		"other things":    {`{"x":{"authority":{"provisioners":[1]}},"authority":{"y":[[]],"provisioners":[]}}`, `{"x":{"authority":{"provisioners":[1]}},"authority":{"y":[[]],"provisioners":[ENTRY]}}`},
		"text after it":   {`{"authority":{"provisioners":[]}} and more`, `{"authority":{"provisioners":[ENTRY]}} and more`},
		"large numbers":   {`{"authority":{"provisioners":[]},"n":12345678901234567890}`, `{"authority":{"provisioners":[ENTRY]},"n":12345678901234567890}`},
		"spaces, no line": {`{ "authority" : { "provisioners" : [ {"name" : "a"} ] } }`, `{ "authority" : { "provisioners" : [ {"name" : "a"},ENTRY ] } }`},
	} {
		got, err := insert([]byte(test.before), testEntry)
		if want := strings.ReplaceAll(test.after, "ENTRY", compactEntry); err != nil || string(got) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, want)
		}
	}
}

func TestTheIndentationOfTheFileIsKept(t *testing.T) {
	for _, test := range []struct{ before, after string }{
		{"{\n\t\"authority\": {\n\t\t\"provisioners\": [\n\t\t\t{\n\t\t\t\t\"name\": \"a\"\n\t\t\t}\n\t\t]\n\t}\n}",
			"{\n\t\"authority\": {\n\t\t\"provisioners\": [\n\t\t\t{\n\t\t\t\t\"name\": \"a\"\n\t\t\t},\n\t\t\t{\n\t\t\t\t\"type\": \"Intune\",\n\t\t\t\t"},
		{"{\n  \"authority\": {\n    \"provisioners\": []\n  }\n}\n", "{\n  \"authority\": {\n    \"provisioners\": [\n      {\n        \"type\": \"Intune\",\n        "},
		{"{\n  \"authority\": {\n    \"claims\": {}\n  }\n}\n", "{\n  \"authority\": {\n    \"provisioners\": [\n      {\n        \"type\": \"Intune\",\n        "},
	} {
		got, err := insert([]byte(test.before), testEntry)
		if err != nil || !strings.HasPrefix(string(got), test.after) {
			t.Errorf("%v\n%s", err, got)
		}
		old, fresh := slices.Collect(strings.Lines(test.before)), string(got)
		if tail := old[len(old)-2] + old[len(old)-1]; !strings.HasSuffix(fresh, tail) {
			t.Errorf("the end is not %q:\n%s", tail, fresh)
		}
	}
}

func TestWhatIsNoConfigurationIsRefused(t *testing.T) {
	for _, config := range []string{
		"", "null", "[]", "{", `{"authority"`, `{"authority":`, `{"authority":{`, `{"authority":{"provisioners"`, `{"authority":{"provisioners":`,
		`{"authority":{"provisioners":[`, `{"authority":{"provisioners":[{}`, `{"authority":{"provisioners":[{}]`, `{"authority":{"provisioners":[]}`,
		`{}`, `{"authority":null}`, `{"authority":[]}`, `{"authority":{"provisioners":{}}}`, `{"authority":{"provisioners":"x"}}`,
		`{"authority":{"provisioners":[1]}}`, `{"authority":{"provisioners":[{"name":1}]}}`,
		`{"authority":{"provisioners":[{"name":"intune"}]}}`,
		`{"authority":{"provisioners":[]},"Authority":{"provisioners":[{"name":"a"}]}}`,
		`{"authority":{"provisioners":[],"provisioners":[{"name":"a"}]}}`,
	} {
		if got, err := insert([]byte(config), testEntry); err == nil {
			t.Errorf("%s became %s", config, got)
		}
	}
}

func FuzzInsert(f *testing.F) {
	for _, seed := range []string{
		`{"authority":{"provisioners":[{"name":"a"}]},"x":1}`, "{\n\t\"authority\": {\n\t\t\"provisioners\": [\n\t\t]\n\t}\n}", `{"authority":{}}`, `{"authority":{"provisioners":null}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		changed, err := insert(config, testEntry)
		if err != nil {
			return
		}
		if err := onlyAdds(config, changed); err != nil {
			t.Error(err)
		}
		if again, err := insert(changed, testEntry); err == nil {
			t.Errorf("a second one was added: %s", again)
		}
	})
}

func TestOnlyOneMoreProvisionerIsAnAddition(t *testing.T) {
	before := `{"authority":{"provisioners":[{"name":"a"}],"claims":{}},"x":1}`
	for after, want := range map[string]bool{
		`{"authority":{"provisioners":[{"name":"a"},{"name":"b"}],"claims":{}},"x":1}`:              true,
		`{"authority":{"provisioners":[{"name":"b"},{"name":"a"}],"claims":{}},"x":1}`:              false,
		`{"authority":{"provisioners":[{"name":"a"}],"claims":{}},"x":1}`:                           false,
		`{"authority":{"provisioners":[{"name":"a"},{"name":"b"},{"name":"c"}],"claims":{}},"x":1}`: false,
		`{"authority":{"provisioners":[{"name":"a"},{"name":"b"}]},"x":1}`:                          false,
		`{"authority":{"provisioners":[{"name":"a"},{"name":"b"}],"claims":{}},"x":2}`:              false,
	} {
		if err := onlyAdds([]byte(before), []byte(after)); (err == nil) != want {
			t.Errorf("%s: %v", after, err)
		}
	}
}

func TestADifferenceIsShownAsDiffDoesIt(t *testing.T) {
	got := diff("ca.json", "1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\n5,\nnew\n6\n7\n8\n9")
	want := "--- ca.json\n+++ ca.json\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+5,\n+new\n 6\n 7\n 8\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if got, want := diff("x", "1\n", "1\n1\n"), "--- x\n+++ x\n@@ -1,1 +1,2 @@\n 1\n+1\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}
