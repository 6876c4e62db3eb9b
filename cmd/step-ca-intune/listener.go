package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/smallstep/cli-utils/step"
	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/provisioner"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// The exit statuses of commands that ask a running CA.
const (
	saidNo      = 1
	couldNotAsk = 2
)

var (
	addressFlag = cli.StringFlag{Name: "address", Usage: "the <address> of the listener, instead of the one in ca.json."}
	configFlag  = cli.StringFlag{Name: "config", Usage: "the <file> ca.json of the CA; without it, the one in the step path."}
	jsonFlag    = cli.BoolFlag{Name: "json", Usage: "print the answer as JSON, for machines."}
)

// listenerOf returns a client of the running CA's status listener, which --address or the
// ca.json names.
func listenerOf(c *cli.Context, file string) (*status.Client, error) {
	if address := c.String("address"); address != "" {
		return status.NewClient(address), nil
	}
	if file == "" {
		file = step.CaConfigFile()
	}
	address, err := provisioner.StatusAddress(file)
	switch {
	case err != nil:
		return nil, cli.NewExitError(fmt.Sprintf("%v; --address names the listener without it", err), couldNotAsk)
	case address == "":
		return nil, cli.NewExitError(fmt.Sprintf(`no listener: set intune.statusAddress in %s, such as "127.0.0.1:9190", and reload the CA`, file), couldNotAsk)
	}
	return status.NewClient(address), nil
}

// unanswered adds to an error of a listener what can be done about it.
func unanswered(err error) error {
	if err == nil {
		return nil
	}
	text := printable(err.Error())
	if !errors.Is(err, status.ErrNoListener) {
		return cli.NewExitError(text, saidNo)
	}
	return cli.NewExitError(text+"; set intune.statusAddress in ca.json, and see that the CA runs with it", couldNotAsk)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printable makes text of devices and services fit for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// when is a moment as people read it, of this machine.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}
