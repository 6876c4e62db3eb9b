package markdown

import (
	"slices"
	"testing"
)

func TestBlocksAreFoundWithTheirMarkers(t *testing.T) {
	text := "text\n\n```json\n{}\n```\n<!-- needs a real tenant -->\n```sh\naz login\n```\n\n" +
		"1. item\n\n   <!-- a remark -->\n   ```sh\n   one\n     two\n   ```\n"
	got, err := Blocks("a.md", text)
	want := []Block{
		{File: "a.md", Line: 3, Language: "json", Text: "{}\n"},
		{File: "a.md", Line: 7, Language: "sh", Marker: "needs a real tenant", Text: "az login\n"},
		{File: "a.md", Line: 14, Language: "sh", Marker: "a remark", Text: "one\n  two\n"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%+v", err, got)
	}
	for i, excused := range []bool{false, true, false} {
		if got[i].Excused() != excused {
			t.Errorf("%s: excused %t", got[i], got[i].Excused())
		}
	}
}

func TestAReasonIsPartOfTheMarker(t *testing.T) {
	for marker, want := range map[string]bool{
		"not run by a test: needs nginx": true, "not run by a test:": false, "not run by a test": false, "": false,
	} {
		if got := (Block{Marker: marker}).Excused(); got != want {
			t.Errorf("%q: %t", marker, got)
		}
	}
}

func TestCommandsAreWithoutComments(t *testing.T) {
	b := Block{Text: "# first\n\none --a=#1 # explained\ntwo \\\n  three\n"}
	if got, want := b.Commands(), []string{"one --a=#1", "two    three"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestABlockWithoutAnEndIsAMistake(t *testing.T) {
	if _, err := Blocks("a.md", "```sh\ntrue\n"); err == nil {
		t.Error("no error")
	}
}
