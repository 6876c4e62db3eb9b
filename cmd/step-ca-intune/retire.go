package main

import (
	"errors"
	"fmt"

	"github.com/smallstep/cli-utils/step"
	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/provisioner"
)

// retireCommand says that an Intune provisioner is missing from ca.json on purpose.
func retireCommand() cli.Command {
	return cli.Command{
		Name:      "retire",
		Usage:     "note that an Intune provisioner was removed from ca.json on purpose",
		UsageText: "**step-ca-intune retire** <name> [config]",
		Description: `**step-ca-intune retire** ends the complaint that an Intune provisioner is missing from ca.json. The CA
goes on refusing to renew the certificates that it issued, and its name stays taken: another provisioner of
the name would renew them without Intune. An Intune entry of the name may come back at any time.

Run it as the user of the CA, and while the CA is stopped unless its database is PostgreSQL or MySQL.

## POSITIONAL ARGUMENTS

<name>
:  The name of the provisioner.

[config]
:  The CA's ca.json. Default: $STEPPATH/config/ca.json

## EXAMPLES

'''
$ step-ca-intune retire intune /etc/step-ca/config/ca.json
'''`,
		Action: func(ctx *cli.Context) error {
			name, file := ctx.Args().Get(0), step.CaConfigFile()
			switch ctx.NArg() {
			case 1:
			case 2:
				file = ctx.Args().Get(1)
			default:
				return errors.New("retire takes the name of a provisioner and, unless it is at its default place, ca.json")
			}
			if err := provisioner.Retire(file, name); err != nil {
				return err
			}
			_, err := fmt.Fprintf(ctx.App.Writer, "Retired the Intune provisioner %q.\n", name)
			return err
		},
	}
}
