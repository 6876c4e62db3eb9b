package main

import (
	"errors"
	"fmt"

	"github.com/smallstep/cli-utils/ui"
	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/cmd/step-ca-intune/setup"
)

// initCommand makes a CA for Intune, or makes one that is there fit for it.
func initCommand() cli.Command {
	c := cli.Command{
		Name:  "init",
		Usage: "make a CA for Intune, or add Intune to a CA that is there",
		UsageText: `**step-ca-intune init** [**--tenant**=<name>] [**--client-id**=<id>] [**--secret-file**=<file>]
[**--existing**=<file>] [**--kty**=<type>] [**--yes**] [flags]`,
		Description: `**step-ca-intune init** makes a root, an intermediate, a password, a ca.json with a provisioner of type
Intune and the file of the client secret, or adds such a provisioner to a ca.json that is there and keeps
the old one. It shows what it is going to write, overwrites nothing, and ends with what to enter in
Microsoft Entra ID and Intune. It asks for what no flag says.

The client secret comes from a file, from the environment variable ` + setup.SecretEnv + ` or from an
answer that is not shown, never from a flag.

## EXAMPLES

A new CA:
'''
$ step-ca-intune init
'''

The same without questions, with an ECDSA intermediate:
'''
$ step-ca-intune init --yes --kty EC --dns ca.contoso.example --tenant contoso.onmicrosoft.com \
    --client-id 11111111-2222-3333-4444-555555555555 --secret-file secret.txt
'''

Intune for a CA that is there:
'''
$ step-ca-intune init --existing /etc/step-ca/config/ca.json
'''`,
		Action: initAction,
	}
	for _, s := range new(setup.Options).Settings() {
		c.Flags = append(c.Flags, cli.StringFlag{Name: s.Flag, Usage: s.Usage})
	}
	c.Flags = append(c.Flags, cli.BoolFlag{Name: "yes, y", Usage: "ask nothing: take the flags and what is usual, and write"})
	return c
}

func initAction(ctx *cli.Context) error {
	if ctx.NArg() > 0 {
		return fmt.Errorf("init takes no argument: %q belongs behind a flag", ctx.Args().First())
	}
	o := new(setup.Options)
	for _, s := range o.Settings() {
		if *s.Value = ctx.String(s.Flag); *s.Value == "" && ctx.IsSet(s.Flag) {
			return fmt.Errorf("--%s: is empty", s.Flag)
		}
	}
	var ask setup.Asker
	if !ctx.Bool("yes") {
		ask = terminal{}
	}
	if err := o.Complete(ask); err != nil {
		return err
	}
	plan, err := setup.Prepare(o)
	if err != nil {
		return err
	}
	fmt.Fprintln(ctx.App.Writer, plan.Changes())
	if ask != nil {
		if yes, err := ui.PromptYesNo("Write this? [y/n]"); err != nil || !yes {
			return errors.Join(errors.New("nothing was written"), err)
		}
	}
	if err := plan.Write(); err != nil {
		return err
	}
	plan.Guide(ctx.App.Writer)
	return nil
}

// terminal asks at the terminal, as step-ca does.
type terminal struct{}

var _ setup.Asker = terminal{}

func (terminal) Ask(question, preset string, check func(string) error) (string, error) {
	answer, err := ui.Prompt(question, ui.WithDefaultValue(preset), ui.WithValidateFunc(check))
	return answer, withoutTerminal(err)
}

func (terminal) AskSecret(question string, check func(string) error) (string, error) {
	answer, err := ui.PromptPassword(question, ui.WithValidateFunc(check))
	return string(answer), withoutTerminal(err)
}

// withoutTerminal says what to do where nobody can be asked.
func withoutTerminal(err error) error {
	if err != nil {
		return fmt.Errorf("is not given, and asking for it failed (--yes asks nothing): %w", err)
	}
	return nil
}
