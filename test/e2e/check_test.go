package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// finding is one of check --json.
type finding struct{ Area, State, What, Advice string }

// checked is what a run of check has told.
type checked struct {
	status   int
	output   string // of standard output
	findings []finding
}

// check runs the command, with the CA's password unless the flags begin with "-".
func check(t *testing.T, a *harness.Authority, flags ...string) checked {
	t.Helper()
	args := append([]string{"check", a.File("ca.json"), "--password-file", a.File("password")}, flags...)
	return runCheck(t, exec.CommandContext(t.Context(), harness.StepCAIntune.In(bin), args...))
}

func runCheck(t *testing.T, cmd *exec.Cmd) (c checked) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Stdin = strings.NewReader("") // there is nobody to ask
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		c.status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	c.output = string(out) + stderr.String()
	if slices.Contains(cmd.Args, "--json") && len(out) > 0 {
		var all struct{ Findings []finding }
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatalf("%v\n%s", err, c.output)
		}
		c.findings = all.Findings
	}
	for _, secret := range []string{intunesim.DefaultSecret, harness.Password, "eyJ", "wrong-secret"} {
		if strings.Contains(c.output, secret) {
			t.Errorf("the output holds %q:\n%s", secret, c.output)
		}
	}
	return c
}

// presentable gives a CA what a good one has.
func presentable(_ map[string]any, o *harness.Options) {
	o.Edit = func(conf map[string]any) { conf["dnsNames"] = []any{"ca.contoso.example", "localhost", "127.0.0.1"} }
}

func TestCheckHasNothingToSayAboutAGoodConfiguration(t *testing.T) {
	for name, edits := range map[string][]func(map[string]any, *harness.Options){
		"with an RSA intermediate":                       {presentable},
		"with an elliptic intermediate and a decrypter":  {presentable, ellipticCA},
		"with a decrypter and no intermediate beside it": {presentable, ellipticCA, func(e map[string]any, _ *harness.Options) { e["excludeIntermediate"] = true }},
	} {
		t.Run(name, func(t *testing.T) {
			sim := startSim(t)
			a := newAuthority(t, sim, edits...)
			c := check(t, a)
			if c.status != 0 || strings.ContainsAny(c.output, "!✗→") || strings.Count(c.output, "✓") < 15 || !strings.HasSuffix(c.output, "\n0 problems, 0 warnings\n") {
				t.Errorf("status %d:\n%s", c.status, c.output)
			}
		})
	}
}

func ellipticCA(_ map[string]any, o *harness.Options) { o.EllipticIntermediate = true }
