package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// reportsCommand deals with the reports of a running CA.
func reportsCommand() cli.Command {
	flags := []cli.Flag{configFlag, addressFlag}
	return cli.Command{
		Name:      "reports",
		Usage:     "list, show, retry or drop the reports that Intune has still to get",
		UsageText: "**step-ca-intune reports** <subcommand> [arguments] [**--config**=<file>] [**--address**=<address>]",
		Description: `**step-ca-intune reports** asks the status listener of a running CA on this machine about its reports: what
Intune has still to hear of certificates that were issued and of enrolments that failed. A report is tried for
72 hours. One that Intune has refused, or that is too old, is dead: it stays until it is retried or dropped.

It ends with status 0, 1 when the CA says no, and 2 when there is no answer.`,
		Subcommands: cli.Commands{
			{
				Name: "list", Usage: "list all reports, the oldest first", Flags: append(flags, jsonFlag),
				UsageText: "**step-ca-intune reports list** [**--json**]",
				Action:    onReports(0, listReports),
			},
			{
				Name: "show", Usage: "show one report, without secrets", Flags: append(flags, jsonFlag),
				UsageText: "**step-ca-intune reports show** <id> [**--json**]",
				Action:    onReports(1, showReport),
			},
			{
				Name: "retry", Usage: "send reports again now, for another 72 hours",
				Flags:     append(flags, cli.BoolFlag{Name: "dead", Usage: "all reports that are dead."}),
				UsageText: "**step-ca-intune reports retry** [**--dead**] <id> …",
				Action:    onReports(-1, retryReports),
			},
			{
				Name: "drop", Usage: "remove reports for good: Intune will not hear of them", Flags: flags,
				UsageText: "**step-ca-intune reports drop** <id> …",
				Action:    onReports(-1, dropReports),
			},
		},
	}
}

// onReports returns an action of so many arguments, any number when negative.
func onReports(arguments int, do func(*cli.Context, *status.Client) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if arguments >= 0 && c.NArg() != arguments {
			return cli.NewExitError(fmt.Sprintf("reports %s takes %s, not %d", c.Command.Name, plural(arguments, "argument"), c.NArg()), couldNotAsk)
		}
		l, err := listenerOf(c, c.String("config"))
		if err != nil {
			return err
		}
		return do(c, l)
	}
}

func listReports(c *cli.Context, l *status.Client) error {
	all, err := l.Reports(context.Background())
	switch {
	case err != nil:
		return unanswered(err)
	case c.Bool("json"):
		return printJSON(c.App.Writer, status.List{Reports: all})
	case len(all) == 0:
		fmt.Fprintln(c.App.Writer, "There are no reports.")
		return nil
	}
	table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tKIND\tCREATED\tATTEMPTS\tNEXT\tPROVISIONER\tTRANSACTION\tLAST ERROR")
	for _, r := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", printable(r.ID), stateOf(&r), printable(string(r.Kind)), when(r.Created),
			r.Attempts, nextOf(&r), printable(r.Provisioner), printable(r.Transaction), printable(cmp.Or(r.Error, "-")))
	}
	return table.Flush()
}

func stateOf(r *report.Summary) string {
	if r.Dead {
		return "dead"
	}
	return "pending"
}

func nextOf(r *report.Summary) string {
	if r.Dead {
		return "-"
	}
	return when(r.Next)
}

func showReport(c *cli.Context, l *status.Client) error {
	r, err := l.Report(context.Background(), c.Args().First())
	switch {
	case err != nil:
		return unanswered(err)
	case c.Bool("json"):
		return printJSON(c.App.Writer, r)
	}
	return printReport(c.App.Writer, r)
}

func printReport(w io.Writer, r *report.Detail) error {
	notAfter := ""
	if !r.NotAfter.IsZero() {
		notAfter = when(r.NotAfter)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range []struct{ name, value string }{
		{"id", r.ID}, {"state", stateOf(&r.Summary)}, {"kind", string(r.Kind)}, {"provisioner", r.Provisioner},
		{"transaction", r.TransactionID}, {"subject", r.Subject}, {"CA", r.CAID},
		{"serial number", r.Serial}, {"thumbprint", r.Thumbprint}, {"expires", notAfter},
		{"HRESULT", r.HResult}, {"description", r.Description},
		{"created", when(r.Created)}, {"attempts", fmt.Sprint(r.Attempts)}, {"next attempt", nextOf(&r.Summary)}, {"last error", r.Error},
	} {
		if line.value != "" {
			fmt.Fprintf(table, "%s\t%s\n", line.name, printable(line.value))
		}
	}
	return table.Flush()
}

func retryReports(c *cli.Context, l *status.Client) error {
	ids := []string(c.Args())
	if c.Bool("dead") {
		all, err := l.Reports(context.Background())
		if err != nil {
			return unanswered(err)
		}
		for _, r := range all {
			if r.Dead {
				ids = append(ids, r.ID)
			}
		}
		if len(ids) == 0 {
			fmt.Fprintln(c.App.Writer, "There are no dead reports.")
		}
	} else if len(ids) == 0 {
		return errNoID
	}
	return each(c.App.Writer, "due now", ids, l.Retry)
}

func dropReports(c *cli.Context, l *status.Client) error {
	if c.NArg() == 0 {
		return errNoID
	}
	return each(c.App.Writer, "dropped", c.Args(), l.Drop)
}

var errNoID = cli.NewExitError(`which report? "step-ca-intune reports list" shows the ids`, couldNotAsk)

// each does something to reports, one after the other, to the end.
func each(w io.Writer, done string, ids []string, do func(context.Context, string) error) error {
	var failed []string
	for _, id := range ids {
		switch err := do(context.Background(), id); {
		case errors.Is(err, status.ErrNoListener):
			return unanswered(err)
		case err != nil:
			failed = append(failed, printable(err.Error()))
		default:
			fmt.Fprintf(w, "%s: %s\n", printable(id), done)
		}
	}
	if len(failed) > 0 {
		return cli.NewExitError(strings.Join(failed, "\n"), saidNo)
	}
	return nil
}
