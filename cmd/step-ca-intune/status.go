package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// notReady is the exit status of status for a CA that cannot serve devices.
const notReady = 1

// statusCommand shows a running CA.
func statusCommand() cli.Command {
	return cli.Command{
		Name:      "status",
		Usage:     "show a running CA: tenants, the last hour, refusals, reports",
		UsageText: "**step-ca-intune status** [config] [**--address**=<address>] [**--json**]",
		Description: `**step-ca-intune status** asks the status listener of a running CA on this machine and shows since when
it runs, its tenants and what fails at Microsoft, the last hour's outcomes, the last refusals with what they
mean, and how many reports Intune has still to get.

It ends with status 0 when the CA is ready for devices, 1 when it is not, and 2 when there is no answer.

## POSITIONAL ARGUMENTS

<config>
:  The configuration, ca.json, which names the listener in intune.statusAddress; without it, the one in the
step path.

## EXAMPLES

'''
$ step-ca-intune status /etc/step-ca/config/ca.json
$ step-ca-intune status --address 127.0.0.1:9190
'''`,
		Flags: []cli.Flag{addressFlag, jsonFlag},
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 { // an unknown flag behind the configuration is an argument, too
				return cli.NewExitError("status takes one configuration", couldNotAsk)
			}
			l, err := listenerOf(c, c.Args().First())
			if err != nil {
				return err
			}
			page, err := l.Page(context.Background())
			if err != nil {
				return unanswered(err)
			}
			if c.Bool("json") {
				err = printJSON(c.App.Writer, page)
			} else {
				printPage(c.App.Writer, page)
			}
			if err == nil && !page.Ready {
				return cli.NewExitError("", notReady)
			}
			return err
		},
	}
}

func printPage(w io.Writer, p *status.Page) {
	state := "ready"
	if !p.Ready {
		state = "NOT READY (" + printable(p.Reason) + ")"
	}
	fmt.Fprintf(w, "step-ca-intune %s, %s, since %s (%s)\n", printable(p.Version), state, when(p.Started), ago(p.Started, p.Now))
	printTenants(w, p)
	printHour(w, p)
	printFigures(w, &p.Reports)
	printEnrolments(w, "LAST REFUSALS", p.Refusals)
	printEnrolments(w, "LAST FAILURES", p.Failures)
}

func printTenants(w io.Writer, p *status.Page) {
	if len(p.Provisioners) == 0 {
		fmt.Fprintln(w, "\nThere is no Intune provisioner.")
		return
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROVISIONER\tTENANT\tMICROSOFT\tPLACES TAKEN\tTOKENS UNTIL (GRAPH, INTUNE)")
	for _, t := range p.Provisioners {
		microsoft := "not asked yet"
		switch {
		case len(t.Faults) > 0:
			microsoft = "FAILING, see below"
		case !t.Answered.IsZero():
			microsoft = "answered " + ago(t.Answered, p.Now) + " ago"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d of %d\t%s, %s\n", printable(t.Name), printable(t.Tenant), microsoft,
			t.Taken, t.MaxConcurrent, when(t.GraphToken), when(t.IntuneToken))
	}
	table.Flush()
	for _, t := range p.Provisioners {
		for _, f := range t.Faults {
			fmt.Fprintf(w, "  %s: %s is %s since %s, tried last %s ago\n    %s\n", printable(t.Name), printable(f.Operation),
				printable(f.Result), when(f.Since), ago(f.Last, p.Now), printable(f.Error))
			printAdvice(w, f.Advice)
		}
	}
}

// printHour prints a line for each outcome, with the codes that made it.
func printHour(w io.Writer, p *status.Page) {
	fmt.Fprintf(w, "\nLAST HOUR, with %d under way\n", p.Enrolling)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, outcome := range []string{status.Issued, status.Refused, status.Failed, status.Unreported} {
		sum, codes := 0, []string{}
		for _, c := range p.LastHour {
			if c.Outcome == outcome {
				sum += c.Count
				codes = append(codes, fmt.Sprintf("%s %d", printable(c.Code), c.Count))
			}
		}
		if outcome == status.Issued || sum == 0 {
			codes = nil
		}
		fmt.Fprintf(table, "  %s\t%d\t%s\n", outcome, sum, strings.Join(codes, ", "))
	}
	table.Flush()
}

func printFigures(w io.Writer, f *status.Figures) {
	switch {
	case f.At.IsZero():
		fmt.Fprintln(w, "\nREPORTS: not read yet")
		return
	case f.Pending+f.Dead == 0:
		fmt.Fprintln(w, "\nREPORTS: none waits")
		return
	}
	fmt.Fprintf(w, "\nREPORTS: %d pending", f.Pending)
	if !f.Oldest.IsZero() {
		fmt.Fprintf(w, ", the oldest since %s", when(f.Oldest))
	}
	fmt.Fprintf(w, "; %d dead\n", f.Dead)
	if f.Dead > 0 {
		fmt.Fprintln(w, `  Dead reports are not tried any more. "step-ca-intune reports list" shows why; then retry or drop them.`)
	}
}

func printEnrolments(w io.Writer, title string, all []status.Enrolment) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, e := range all {
		fmt.Fprintf(w, "  %s  %s  %s  transaction %s\n", when(e.Time), printable(e.Provisioner), printable(cmp.Or(e.Subject, "no subject")), printable(cmp.Or(e.Transaction, "-")))
		if e.Code != "" {
			fmt.Fprintf(w, "    %s: %s\n", printable(string(e.Code)), printable(e.Explanation))
		} else {
			fmt.Fprintf(w, "    %s\n", printable(e.Error))
		}
		printAdvice(w, e.Advice)
	}
}

func printAdvice(w io.Writer, advice string) {
	if advice != "" {
		fmt.Fprintf(w, "    → %s\n", printable(advice))
	}
}

// ago is the time between two moments: its largest unit and the one below.
func ago(t, now time.Time) string {
	d, units := max(0, now.Sub(t)), []struct {
		name string
		is   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, unit := range units[:len(units)-1] {
		if d < unit.is {
			continue
		}
		text, below := fmt.Sprintf("%d %s", d/unit.is, unit.name), units[i+1]
		if rest := d % unit.is / below.is; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, below.name)
		}
		return text
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
