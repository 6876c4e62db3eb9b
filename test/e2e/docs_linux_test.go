package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
	"github.com/step-ca-intune/step-ca-intune/test/markdown"
)

var (
	// runnable are the commands that need nothing but this site. test/repo compares those of
	// make with the Makefile.
	runnable = regexp.MustCompile(`^(make |openssl |(sudo -u step )?step-ca-intune |curl .*https?://(ca\.contoso\.com|127\.0\.0\.1:9190)/)`)
	// stopped are those that want the CA to be stopped.
	stopped = regexp.MustCompile(`\bstep-ca-intune retire `)
)

// A command in a document runs as it is printed, but for names and addresses, and ends with
// status 0, or its block says why it does not run. No block says so for nothing.
func TestTheCommandsOfTheDocumentsRun(t *testing.T) {
	t.Parallel()
	blocks, err := markdown.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	type command struct{ where, text string }
	var first, last []command
	for _, b := range blocks {
		if b.Language != "sh" {
			continue
		}
		commands := b.Commands()
		if b.Excused() {
			if !slices.ContainsFunc(commands, func(c string) bool { return !runnable.MatchString(c) }) {
				t.Errorf("%s: is said not to run (%s), and can", b, b.Marker)
			}
			continue
		}
		for _, c := range commands {
			switch {
			case !runnable.MatchString(c):
				t.Errorf("%s: %q is not run by a test and says not why", b, c)
			case strings.HasPrefix(c, "make "):
			case stopped.MatchString(c):
				last = append(last, command{b.String(), c})
			default:
				first = append(first, command{b.String(), c})
			}
		}
	}
	if len(first) == 0 || len(last) == 0 {
		t.Fatal("there is nothing to run")
	}
	d := newDocumented(t)
	for _, c := range first {
		d.try(c.where, c.text)
	}
	d.remove()
	for _, c := range last {
		d.try(c.where, c.text)
	}
}

// try runs a command of a document in the CA's folder; init in one of its own.
func (d *documented) try(where, command string) {
	d.Helper()
	folder, password := d.folder, ""
	makes := strings.Contains(command, "step-ca-intune init")
	if makes {
		folder = filepath.Join(d.TempDir(), "step")
		password = d.before(folder, strings.Contains(command, "--existing"))
	}
	const report = "17c5a2e0b1f4d3a9c0ffee01"
	replacements := []string{
		"sudo -u step ", "",
		"/etc/step-ca", folder,
		" ca.json", " config/ca.json",
		" password.txt", " secrets/password",
		" root_ca.crt", " certs/root_ca.crt",
		"https://ca.contoso.com/", "http://" + d.http + "/",
		"127.0.0.1:9190", d.status,
	}
	if strings.Contains(command, report) {
		replacements = append(replacements, report, d.deadReport())
	}
	line := strings.NewReplacer(replacements...).Replace(command)
	if strings.HasPrefix(line, "step-ca-intune --") {
		// It runs until it is stopped: it is the command that has started the CA.
		if got, want := strings.ReplaceAll(line, folder+"/", ""), strings.ReplaceAll(d.made.command(), folder+"/", ""); got != want {
			d.Errorf("%s: %q is not how the CA was started: %q", where, command, want)
		}
		return
	}
	ctx, cancel := context.WithTimeout(d.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "STEPPATH="+folder, "HOME="+folder, "TERM=xterm", "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	began := time.Now()
	var output string
	var err error
	if makes && !strings.Contains(command, "--yes") {
		output, err = atTerminal(d.T, cmd, []answer{
			{"Name of the CA", "Contoso"}, {"devices reach the CA at", "ca.contoso.com"}, {"the CA listens at", ":443"},
			{"Tenant", intunesim.DefaultTenant}, {"client) id", intunesim.DefaultClientID}, {"Client secret", intunesim.DefaultSecret},
			{"password to decrypt", password}, {"Write this?", "y"},
		})
	} else {
		var out []byte
		out, err = cmd.CombinedOutput()
		output = string(out)
	}
	d.checkSecrets(command, output)
	if err != nil {
		d.Errorf("%s: %q ends with %v:\n%s", where, command, err, output)
	}
	d.Logf("%s: %s, %s", where, command, time.Since(began).Round(time.Millisecond))
}
