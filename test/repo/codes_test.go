package repo

import (
	"regexp"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// The page says of each code what the log and `explain` say, and knows no other.
func TestThePageOnTroubleshootingHasEveryCode(t *testing.T) {
	const file = "docs/troubleshooting.md"
	page := read(t, file)
	known := map[string]bool{}
	for _, e := range intune.Explanations() {
		known[e.Name] = true
		if row := "| `" + e.Name + "` | " + e.Meaning + " | " + e.Advice + " |\n"; !strings.Contains(page, row) {
			t.Errorf("%s lacks the row\n%s", file, row)
		}
	}
	_, tables, _ := strings.Cut(page, "\n## What Intune answers\n")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(tables, -1) {
		if !known[row[1]] {
			t.Errorf("%s has %q, which nobody knows", file, row[1])
		}
	}
}
