package packaging

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

const dockerfile = "../../Dockerfile"

// instructions returns what follows each instruction of a kind in the Dockerfile.
func instructions(t *testing.T, kind string) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(readFile(t, dockerfile)) {
		if rest, ok := strings.CutPrefix(line, kind+" "); ok {
			found = append(found, strings.TrimSpace(rest))
		}
	}
	return found
}

func TestTheImageIsSmallAndNotRoot(t *testing.T) {
	if got := instructions(t, "FROM"); len(got) != 1 || got[0] != "${BASE}" {
		t.Errorf("stages %q", got)
	}
	base := regexp.MustCompile(`^BASE=gcr\.io/distroless/static-debian\d+(:nonroot|@sha256:[0-9a-f]{64})$`)
	if args := instructions(t, "ARG"); len(args) == 0 || !base.MatchString(args[0]) {
		t.Errorf("arguments %q", args)
	}
	if got := instructions(t, "USER"); len(got) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(got[0]) {
		t.Errorf("users %q", got)
	}
	if run := instructions(t, "RUN"); run != nil {
		t.Errorf("there is no shell in the image for %q", run)
	}
}

func TestTheImageHoldsWhatAReleaseMakes(t *testing.T) {
	made := regexp.MustCompile(`^dist/(step-ca-intune-linux-\$\{TARGETARCH\}|LICENSES\.txt)$`)
	copies := instructions(t, "COPY")
	for _, c := range copies {
		if from, _, _ := strings.Cut(c, " "); !made.MatchString(from) {
			t.Errorf("%q is not made by `make release`", from)
		}
	}
	if len(copies) != 2 || !strings.HasSuffix(copies[0], " "+program) {
		t.Errorf("copies %q", copies)
	}
	if ignore := readFile(t, "../../.dockerignore"); ignore != "*\n!dist/\n" {
		t.Errorf(".dockerignore lets more in than a release: %q", ignore)
	}
}

func TestTheImageStartsOurProgram(t *testing.T) {
	var words []string
	for _, kind := range []string{"ENTRYPOINT", "CMD"} {
		var some []string
		// Only the form in JSON works without a shell.
		if got := instructions(t, kind); len(got) != 1 || json.Unmarshal([]byte(got[0]), &some) != nil {
			t.Fatalf("%s %q", kind, got)
		}
		words = append(words, some...)
	}
	wantOurCommand(t, words)
	if steppath := settings(t, "Environment")[0]; steppath != instructions(t, "ENV")[0] {
		t.Errorf("image and service differ in %q", steppath)
	}
}
