package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
	"github.com/step-ca-intune/step-ca-intune/test/markdown"
)

// The commands of the page, run against the simulator, print what the page shows.
func TestGettingStartedShowsWhatIsPrinted(t *testing.T) {
	if err := noteSources(); err != nil {
		t.Fatal(err)
	}
	sim, dir := startSim(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.txt"), []byte(intunesim.DefaultSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks, err := markdown.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	// Microsoft's addresses are not in the page's command, and those of the simulator not in
	// what it shows.
	url := sim.URL()
	toPage := strings.NewReplacer(
		dir+"/etc/step-ca", "/etc/step-ca",
		`Graph token: audience "`+url+`"`, `Graph token: audience "https://graph.microsoft.com"`,
		`Intune token: audience "`+url+`/"`, `Intune token: audience "https://api.manage.microsoft.com/"`,
		"manage.microsoft.com, 127.0.0.1", "manage.microsoft.com",
	)
	for _, step := range []struct {
		command string
		more    []string
	}{
		{"init --yes", []string{
			"--login-endpoint", url + "/", "--graph-endpoint", url + "/", "--intune-endpoint", url + "/", "--root-cas", sim.RootFile,
		}},
		{"check", nil},
	} {
		args, want := shownBy(t, blocks, step.command)
		for i := range args {
			args[i] = strings.Replace(args[i], "/etc/step-ca", dir+"/etc/step-ca", 1)
		}
		cmd := exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), append(args, step.more...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "STEPPATH="+dir)
		out, err := cmd.CombinedOutput()
		if got := unchanging(toPage.Replace(string(out))); err != nil || got != unchanging(want) {
			t.Errorf("%s prints %v\n%s\nand the page shows\n%s", step.command, err, got, unchanging(want))
		}
	}
}

// shownBy returns the words of a command in the page and what the page shows as its output.
func shownBy(t *testing.T, blocks []markdown.Block, command string) (args []string, output string) {
	t.Helper()
	const program = "step-ca-intune "
	for i, b := range blocks[:len(blocks)-1] {
		line := strings.ReplaceAll(b.Text, "\\\n", " ")
		if _, after, ok := strings.Cut(line, program+command); ok && b.File == "docs/getting-started.md" && blocks[i+1].Language == "text" {
			return strings.Fields(command + after), blocks[i+1].Text
		}
	}
	t.Fatalf("the page shows no %q with what it prints", command)
	return nil, ""
}

// unchanging takes out of a text what differs from run to run.
func unchanging(text string) string {
	for pattern, replacement := range map[string]string{
		`[0-9a-f]{64}`:          "<fingerprint>",
		`until \d{4}-\d\d-\d\d`: "until <date>",
		`expires in \S+`:        "expires in <time>",
		`is -?\S+ ahead`:        "is <time> ahead",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, replacement)
	}
	return strings.TrimSpace(text)
}
