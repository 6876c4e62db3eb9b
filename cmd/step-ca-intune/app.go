package main

import (
	"flag"
	"os"
	"strings"

	"github.com/smallstep/certificates/commands"
	"github.com/smallstep/cli-utils/command"
	"github.com/smallstep/cli-utils/usage"
	"github.com/urfave/cli"
)

// newApp returns step-ca's command line under our name.
func newApp(v versions) *cli.App {
	cli.VersionPrinter = func(c *cli.Context) { v.print(c.App.Writer) }
	cli.SubcommandHelpTemplate = usage.SubcommandHelpTemplate
	cli.CommandHelpTemplate = usage.CommandHelpTemplate
	cli.HelpPrinter = usage.HelpPrinter
	cli.FlagNamePrefixer = usage.FlagNamePrefixer

	app := cli.NewApp()
	app.Name = "step-ca-intune"
	app.HelpName = app.Name
	app.Version = v.ours
	app.Usage = "step-ca with certificates for devices that Microsoft Intune manages"
	app.UsageText = "**step-ca-intune** [config] [flags]"
	app.Flags = append(app.Flags, commands.AppCommand.Flags...)
	app.Flags = append(app.Flags, cli.HelpFlag)
	app.Writer = os.Stdout
	app.ErrWriter = os.Stderr
	app.Commands = withoutVersion(command.Retrieve())
	app.Action = func(*cli.Context) error {
		// step-ca's main command is a cli.Command: run it as if it had been named.
		set := flag.NewFlagSet(app.Name, flag.ContinueOnError)
		if err := set.Parse(os.Args); err != nil {
			return err
		}
		return commands.AppCommand.Run(cli.NewContext(app, set, nil))
	}
	return app
}

// withoutVersion drops the `version` command of step-ca's command line library, which
// knows one version only, and puts ours in its place.
func withoutVersion(all []cli.Command) []cli.Command {
	var commands []cli.Command
	for _, c := range all {
		if strings.EqualFold(c.Name, "version") {
			c.Usage = "display the versions of this program and of step-ca"
			c.UsageText = "**step-ca-intune version**"
			c.Description = "**step-ca-intune version** prints the versions of this program and of step-ca."
			c.Action = func(ctx *cli.Context) error { cli.VersionPrinter(ctx); return nil }
		}
		commands = append(commands, c)
	}
	return commands
}
