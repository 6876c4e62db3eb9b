package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// demo is a running CA with its Intune and a device's connection.
type demo struct {
	sim    *harness.Sim
	ca     *harness.CA
	status string // address of the CA's status listener
	client *device.Client
	used   int // keys
}

func newDemo(ctx context.Context, sim *harness.Sim, ca *harness.CA, status string) (*demo, error) {
	client, err := device.Connect(ctx, ca.SCEP(provisioner), nil)
	if err != nil {
		return nil, err
	}
	if err := sim.Untarget(untargeted); err != nil {
		return nil, err
	}
	return &demo{sim: sim, ca: ca, status: status, client: client}, nil
}

// play tries all rows, prints the table and the sum, and reports whether
// anything was unexpected.
func (d *demo) play(ctx context.Context, w io.Writer) bool {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DEVICE\tWHAT IS TRIED\tOUTCOME\tINTUNE'S CODE\tSERIAL")
	var issued, refused, unexpected int
	var complaints []string
	endings := map[ending]int{}
	for _, r := range d.rows() {
		o, err := d.try(ctx, r)
		endings[endingOf(o)]++
		outcome := "refused"
		if o.issued {
			outcome = "issued"
		}
		switch {
		case err != nil:
			unexpected++
			outcome += " !"
			complaints = append(complaints, fmt.Sprintf("! %s %s: %v", r.device, r.tried, err))
		case o.issued:
			issued++
		default:
			refused++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.device, r.tried, outcome, cmp.Or(o.code, "-"), cmp.Or(o.serial, "-"))
	}
	table.Flush()
	fmt.Fprintln(w)
	if err := d.addUp(ctx, w, endings); err != nil {
		unexpected++
		complaints = append(complaints, fmt.Sprintf("! metrics: %v", err))
	}
	for _, c := range complaints {
		fmt.Fprintln(w, c)
	}
	fmt.Fprintf(w, "demo: %d issued and reported, %d refused, %d unexpected\n", issued, refused, unexpected)
	return unexpected > 0
}
