package main

import (
	"cmp"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTheReadmeShowsWhatIsPrinted(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := new(demo).rows()
	for _, r := range rows {
		outcome := "refused"
		if r.want.issued {
			outcome = "issued"
		}
		var words []string
		for _, cell := range []string{r.device, r.tried, outcome, cmp.Or(r.want.code, "-")} {
			words = append(words, regexp.QuoteMeta(cell))
		}
		if !regexp.MustCompile(`(?m)^` + strings.Join(words, " +") + `( |$)`).Match(readme) {
			t.Errorf("it lacks %q", words)
		}
	}
	if shown := regexp.MustCompile(`(?m)^(Windows|iPhone|Android) .* (issued|refused) `).FindAll(readme, -1); len(shown) != len(rows) {
		t.Errorf("it shows %d devices, and there are %d", len(shown), len(rows))
	}
}
