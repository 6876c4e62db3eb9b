package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// explainCommand tells what a code means, from the tables that the log uses.
func explainCommand() cli.Command {
	return cli.Command{
		Name:      "explain",
		Usage:     "tell what a code of Intune, of the CA or of Microsoft Entra ID means",
		UsageText: "**step-ca-intune explain** <code>",
		Description: `**step-ca-intune explain** tells what a code in the log or in Intune's console means, and what to do.

## POSITIONAL ARGUMENTS

<code>
:  A code that Intune answers, such as ChallengeExpired; an HRESULT of Intune's console, such as
0x80070005 or -2147024891; or an error of Microsoft Entra ID, such as AADSTS7000215, also within its
message. Without it, everything that can be asked is listed.

## EXAMPLES

'''
$ step-ca-intune explain ChallengeExpired
$ step-ca-intune explain 0x80070005
$ step-ca-intune explain AADSTS7000215
'''`,
		Action: func(ctx *cli.Context) error {
			// A message pasted without quotes comes as many arguments.
			switch text := strings.Join(ctx.Args(), " "); text {
			case "":
				listExplanations(ctx.App.Writer)
				return nil
			case "-h", "--help":
				return cli.ShowCommandHelp(ctx, "explain")
			default:
				return explain(ctx.App.Writer, text)
			}
		},
		SkipFlagParsing: true, // an HRESULT can begin with a minus
	}
}

func explain(w io.Writer, text string) error {
	e, ok := intune.Explain(text)
	if !ok {
		return unknownCode(text)
	}
	fmt.Fprintf(w, "%s: %s\n\n%s\n", e.Name, e.Origin, e.Meaning)
	if e.Advice != "" {
		fmt.Fprintf(w, "What to do: %s\n", e.Advice)
	}
	return nil
}

// unknownCode says what may be asked instead.
func unknownCode(text string) error {
	return fmt.Errorf(`%q is not known here.
Ask for a code that Intune answers (%s), for an HRESULT that the CA reports (%s),
or for an error of Microsoft Entra ID (%s). "step-ca-intune explain" lists them all.
Every AADSTS error is explained at https://login.microsoftonline.com/error`,
		text, intune.CodeChallengeExpired, intune.HResultAccessDenied, "AADSTS7000215")
}

// listExplanations lists everything that can be asked, by origin.
func listExplanations(w io.Writer) {
	origin := ""
	for _, e := range intune.Explanations() {
		if e.Origin != origin {
			if origin != "" {
				fmt.Fprintln(w)
			}
			origin = e.Origin
			fmt.Fprintf(w, "%s%s:\n", strings.ToUpper(origin[:1]), origin[1:])
		}
		fmt.Fprintf(w, "  %s\n      %s\n", e.Name, e.Meaning)
	}
}
