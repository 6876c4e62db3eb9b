package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/smallstep/certificates/commands"
	"github.com/smallstep/cli-utils/command"
	_ "github.com/smallstep/cli-utils/command/version" // registers the command
	"github.com/smallstep/cli-utils/step"
	"github.com/smallstep/cli-utils/usage"
	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/provisioner/mend"
)

// helpTemplate is the page of --help, in the markup that step's help printer reads.
const helpTemplate = `## NAME
**{{.HelpName}}** -- {{.Usage}}

## USAGE
{{.UsageText}}

## DESCRIPTION
{{.Description}}

## COMMANDS
|||
|---|---|{{range .VisibleCommands}}
| **{{join .Names ", "}}** | {{.Usage}} |{{end}}

## OPTIONS
{{range .VisibleFlags}}
{{.}}
{{end}}
## VERSION
{{.Version}}
`

// newApp returns step-ca's command line under our name.
func newApp(v versions) *cli.App {
	cli.VersionPrinter = func(c *cli.Context) { v.print(c.App.Writer) }
	cli.AppHelpTemplate = helpTemplate
	cli.SubcommandHelpTemplate = usage.SubcommandHelpTemplate
	cli.CommandHelpTemplate = usage.CommandHelpTemplate
	cli.HelpPrinter = usage.HelpPrinter
	cli.FlagNamePrefixer = usage.FlagNamePrefixer
	cli.FlagStringer = describeFlag

	app := cli.NewApp()
	app.Name = "step-ca-intune"
	app.HelpName = app.Name
	app.Version = v.ours
	app.Usage = "step-ca with certificates for devices that Microsoft Intune manages"
	app.UsageText = "**step-ca-intune** [config] [flags]"
	app.Description = "Runs step-ca with the given configuration, ca.json. A provisioner of type Intune in it serves\n" +
		"devices over SCEP, after Microsoft Intune has approved each request. It ends with status 2 when the\n" +
		"configuration is wrong."
	app.Flags = append(app.Flags, commands.AppCommand.Flags...)
	app.Flags = append(app.Flags, cli.HelpFlag)
	app.Writer = os.Stdout
	app.ErrWriter = os.Stderr
	app.Commands = append(withOurVersion(command.Retrieve()),
		initCommand(),
		explainCommand(),
		checkCommand(v),
		retireCommand(),
		statusCommand(),
		reportsCommand(),
	)
	app.Action = func(*cli.Context) error {
		// step-ca's main command is a cli.Command: run it as if it had been named.
		set := flag.NewFlagSet(app.Name, flag.ContinueOnError)
		if err := set.Parse(os.Args); err != nil {
			return err
		}
		run := commands.AppCommand
		run.Action = func(c *cli.Context) error {
			file := configFile(c)
			if err := mustOpen(c, file); err != nil {
				return err
			}
			if err := mend.Database(file, slog.New(slog.NewJSONHandler(os.Stderr, nil))); err != nil {
				return cli.NewExitError(err, 2)
			}
			return cli.HandleAction(commands.AppCommand.Action, c)
		}
		return run.Run(cli.NewContext(app, set, nil))
	}
	return app
}

// configFile is the ca.json that step-ca's main command reads; empty when it refuses to, as
// it does with a context that is not there, unless that is to be made with a token.
func configFile(c *cli.Context) string {
	name := c.String("context")
	context, found := step.Contexts().Get(name)
	switch {
	case name != "" && !found && c.String("token") == "":
		return ""
	case c.NArg() > 0:
		return c.Args().First()
	case name == "":
		return step.CaConfigFile()
	case !found:
		context = &step.Context{Authority: name}
	}
	// What step.CaConfigFile returns once step-ca has made it the current one.
	return filepath.Join(context.Path(), "config", "ca.json")
}

// mustOpen refuses a configuration that cannot be opened, which may be a mistyped command:
// step-ca would send the operator to `step ca init`. With a token it needs none.
func mustOpen(c *cli.Context, file string) error {
	if file == "" || c.NArg() > 1 || c.String("token") != "" {
		return nil // step-ca says what is wrong, if anything
	}
	f, err := os.Open(file)
	if err != nil {
		what := "the configuration of the CA"
		if c.NArg() > 0 {
			what = fmt.Sprintf("%q is no command, and as the configuration of a CA it", c.Args().First())
		}
		return cli.NewExitError(fmt.Sprintf("%s cannot be opened: %v\n\"step-ca-intune init\" makes a CA, \"step-ca-intune --help\" lists the commands.", what, err), 1)
	}
	return f.Close()
}

// withOurVersion makes the command `version` print both versions, as --version does.
func withOurVersion(all []cli.Command) []cli.Command {
	ours := make([]cli.Command, 0, len(all))
	for _, c := range all {
		if c.Name == "version" {
			c.Usage = "display the versions of this program and of step-ca"
			c.UsageText = "**step-ca-intune version**"
			c.Description = "**step-ca-intune version** prints the versions of this program and of step-ca."
			c.Action = func(ctx *cli.Context) error { cli.VersionPrinter(ctx); return nil }
		}
		ours = append(ours, c)
	}
	return ours
}

// placeholder is what step-ca's flags call their value, in their usage text.
var placeholder = regexp.MustCompile(`<[^>]*>`)

// describeFlag is one flag on the page of --help.
func describeFlag(f cli.Flag) string {
	v := reflect.Indirect(reflect.ValueOf(f))
	text := strings.Join(strings.Fields(v.FieldByName("Usage").String()), " ")
	value := placeholder.FindString(text)
	switch f.(type) {
	case cli.BoolFlag, cli.BoolTFlag:
		value = ""
	default:
		if value == "" {
			value = "<value>"
		}
	}
	return fmt.Sprintf("%s\n: %s", cli.FlagNamePrefixer(f.GetName(), value), text)
}
