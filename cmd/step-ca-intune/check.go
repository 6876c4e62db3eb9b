package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/smallstep/cli-utils/step"
	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/provisioner"
)

// The exit statuses of check.
const (
	checkFoundProblems = 1
	checkCouldNotRun   = 2
)

// checkCommand looks at everything that can be known before the first device.
func checkCommand(v versions) cli.Command {
	return cli.Command{
		Name:      "check",
		Usage:     "check a configuration, its files and each tenant before the first device",
		UsageText: "**step-ca-intune check** [config] [**--password-file**=<file>] [**--offline**] [**--json**]",
		Description: `**step-ca-intune check** reads ca.json as a start does, looks at the CA's files, and asks Microsoft
whether each tenant can be served. It writes nothing and leaves a running CA alone. Run it as the user that
runs step-ca.

It ends with status 0 when there is no problem, 1 when there are some, and 2 when it could not run.

## POSITIONAL ARGUMENTS

<config>
:  The configuration, ca.json; without it, the one in the step path.

## EXAMPLES

'''
$ step-ca-intune check /etc/step-ca/config/ca.json --password-file /etc/step-ca/secrets/password
'''`,
		Flags: []cli.Flag{
			cli.StringFlag{Name: "password-file", Usage: "the <file> with the password of the CA's key, as you give it to step-ca."},
			cli.BoolFlag{Name: "offline", Usage: "make no calls to Microsoft."},
			cli.BoolFlag{Name: "json", Usage: "print the findings as JSON, for machines."},
		},
		Action: func(ctx *cli.Context) error { return check(ctx, v.ours) },
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return cli.NewExitError(err.Error(), checkCouldNotRun)
		},
	}
}

func check(c *cli.Context, version string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.NArg() > 1 {
		return cli.NewExitError("check takes one configuration", checkCouldNotRun)
	}
	file := c.Args().First()
	if file == "" {
		file = step.CaConfigFile()
	}
	findings, err := provisioner.Check(ctx, provisioner.CheckOptions{
		File: file, PasswordFile: c.String("password-file"), Offline: c.Bool("offline"), Version: version,
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return cli.NewExitError(err.Error(), checkCouldNotRun)
	}
	if c.Bool("json") {
		err = printFindingsJSON(c.App.Writer, findings)
	} else {
		printFindings(c.App.Writer, findings)
	}
	if err != nil {
		return cli.NewExitError(err.Error(), checkCouldNotRun)
	}
	if count(findings, provisioner.StateProblem) > 0 {
		return cli.NewExitError("", checkFoundProblems)
	}
	return nil
}

func count(findings []provisioner.Finding, s provisioner.State) (n int) {
	for _, f := range findings {
		if f.State == s {
			n++
		}
	}
	return n
}

func printFindingsJSON(w io.Writer, findings []provisioner.Finding) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Problems int                   `json:"problems"`
		Warnings int                   `json:"warnings"`
		Findings []provisioner.Finding `json:"findings"`
	}{count(findings, provisioner.StateProblem), count(findings, provisioner.StateWarning), findings})
}

// marks stand before the findings.
var marks = map[provisioner.State]string{
	provisioner.StateOK: "✓", provisioner.StateWarning: "!", provisioner.StateProblem: "✗",
}

// printFindings prints the findings by area, each with its advice below.
func printFindings(w io.Writer, findings []provisioner.Finding) {
	width := terminalWidth(w)
	area := ""
	for _, f := range findings {
		if f.Area != area {
			area = f.Area
			fmt.Fprintln(w, area)
		}
		printWrapped(w, "  "+marks[f.State]+" ", f.What, width)
		if f.Advice != "" {
			printWrapped(w, "    → ", f.Advice, width)
		}
	}
	fmt.Fprintf(w, "\n%s, %s\n", plural(count(findings, provisioner.StateProblem), "problem"), plural(count(findings, provisioner.StateWarning), "warning"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// terminalWidth is how long lines may become; 0 means that nobody sees them wrapped.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return 0
	}
	return 100
}

// printWrapped prints text behind a lead, at most width characters in a line where words
// allow it; further lines begin below the text.
func printWrapped(w io.Writer, lead, text string, width int) {
	indent := len([]rune(lead))
	line, n := lead, indent
	for i, word := range strings.Fields(text) {
		length := len([]rune(word))
		switch {
		case i == 0:
		case width > 0 && n+1+length > width:
			fmt.Fprintln(w, line)
			line, n = strings.Repeat(" ", indent), indent
		default:
			line, n = line+" ", n+1
		}
		line, n = line+word, n+length
	}
	fmt.Fprintln(w, line)
}
