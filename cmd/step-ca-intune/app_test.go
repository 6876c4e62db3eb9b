package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/certificates/commands"
	"github.com/smallstep/cli-utils/step"
	"github.com/urfave/cli"
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

// runTests keeps the tests out of the step path of whoever runs them: step reads its
// environment once.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "step")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv(step.PathEnv, dir)
	return m.Run()
}

// startContext is what step-ca's main command is called with.
func startContext(t *testing.T, args ...string) *cli.Context {
	t.Helper()
	set := flag.NewFlagSet("start", flag.ContinueOnError)
	for _, f := range commands.AppCommand.Flags {
		f.Apply(set)
	}
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return cli.NewContext(cli.NewApp(), set, nil)
}

// What is mended has to be the database of the CA that starts.
func TestTheConfigurationIsTheOneThatStepCAReads(t *testing.T) {
	contexts, err := json.Marshal(step.ContextMap{"phones": {Authority: "mobile", Profile: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(step.ContextsFile(), contexts, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := step.Contexts().Init(); err != nil {
		t.Fatal(err)
	}
	inPath := func(name string) string { return filepath.Join(step.BasePath(), name, "config", "ca.json") }
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, inPath("")},
		{[]string{"my.json"}, "my.json"},
		{[]string{"--context", "phones"}, inPath("authorities/mobile")},
		{[]string{"--context", "phones", "my.json"}, "my.json"},
		{[]string{"--context", "none"}, ""},
		{[]string{"--context", "none", "my.json"}, ""},
		{[]string{"--context", "none", "--token", "x"}, inPath("authorities/none")},
		{[]string{"--context", "none", "--token", "x", "my.json"}, "my.json"},
	} {
		if got := configFile(startContext(t, test.args...)); got != test.want {
			t.Errorf("%q: got %q, want %q", test.args, got, test.want)
		}
	}
	if step.Contexts().GetCurrent() != nil {
		t.Error("a context has become the current one")
	}
	t.Setenv("STEP_CA_CONTEXT", "phones")
	if got := configFile(startContext(t)); got != inPath("authorities/mobile") {
		t.Errorf("by the environment: %q", got)
	}
}

func TestAConfigurationThatIsNotThereLeadsToOurInit(t *testing.T) {
	defer func(args []string) { os.Args = args }(os.Args)
	missing := filepath.Join(t.TempDir(), "ca.json")
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, step.CaConfigFile()},
		{[]string{missing}, missing},
		{[]string{"chekc"}, `"chekc" is no command`},
	} {
		os.Args = append([]string{"step-ca-intune"}, test.args...) // step-ca's own command reads these
		code, out, stderr := runCommand(t, test.args...)
		if code != 1 || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, `"step-ca-intune init" makes a CA`) || strings.Contains(out+stderr, "step ca init") {
			t.Errorf("%q: status %d, %q %q", test.args, code, out, stderr)
		}
	}
	for _, args := range [][]string{{"--token", "x", missing}, {missing, "another"}, {"--context", "none", missing}} {
		c := startContext(t, args...)
		if err := mustOpen(c, configFile(c)); err != nil {
			t.Errorf("%q is step-ca's to judge: %v", args, err)
		}
	}
}
