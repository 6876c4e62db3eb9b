package repo

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// workflows are the files that GitHub runs.
func workflows(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, file := range files(t, ".yml") {
		if path.Dir(file) == ".github/workflows" {
			found = append(found, file)
		}
	}
	if len(found) == 0 {
		t.Fatal("there is no workflow")
	}
	return found
}

func TestActionsArePinnedByTheirCommit(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(.*)$`)
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	commits := map[string]string{}
	for _, file := range workflows(t) {
		for _, match := range uses.FindAllStringSubmatch(read(t, file), -1) {
			action := match[1]
			if local, ok := strings.CutPrefix(action, "./"); ok {
				if _, err := os.Stat(filepath.Join(root, local)); err != nil {
					t.Errorf("%s uses %s: %v", file, action, err)
				}
				continue
			}
			if !pinned.MatchString(action) {
				t.Errorf("%s: %q is not pinned by a commit with its version beside it", file, action)
				continue
			}
			name, rest, _ := strings.Cut(action, "@")
			if other, ok := commits[name]; ok && other != rest {
				t.Errorf("%s: %s is used as %s and as %s", file, name, rest, other)
			}
			commits[name] = rest
		}
	}
	if len(commits) == 0 {
		t.Error("no action is used")
	}
}

func TestWorkflowsMayReadOnly(t *testing.T) {
	for _, file := range workflows(t) {
		text := read(t, file)
		if !strings.Contains(text, "\npermissions:\n  contents: read\n") {
			t.Errorf("%s does not begin with reading only", file)
		}
		if strings.Contains(text, "pull_request_target") {
			t.Errorf("%s runs what strangers write with our permissions", file)
		}
	}
}
