package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// fakeCA is a running CA with two reports.
type fakeCA struct {
	unready error
	outbox  fakeOutbox
}

func (c *fakeCA) Ready(context.Context) error { return c.unready }
func (c *fakeCA) Enrolling() int              { return 3 }
func (c *fakeCA) Reports() status.Reports     { return &c.outbox }
func (c *fakeCA) Outbox() report.Snapshot {
	return report.Snapshot{At: time.Now(), Pending: 1, Dead: 1, Oldest: time.Now()}
}
func (c *fakeCA) Provisioners() []status.Provisioner {
	return []status.Provisioner{{Name: "intune", Tenant: "contoso.onmicrosoft.com", Taken: 2, MaxConcurrent: 256}}
}

type fakeOutbox struct {
	noneDead bool
	done     []string
}

// inOutbox are the reports; a device has chosen the second one's transaction.
var inOutbox = []report.Summary{
	{ID: "0001", Kind: report.KindSuccess, Provisioner: "intune", Transaction: "tx-1", Serial: "AB12", Created: time.Now()},
	{ID: "0002", Kind: report.KindFailure, Dead: true, Provisioner: "intune", Transaction: "tx-2\x1b[2J", Created: time.Now(), Attempts: 9, Error: "refused"},
}

func (o *fakeOutbox) Reports(context.Context) ([]report.Summary, error) {
	if o.noneDead {
		return inOutbox[:1], nil
	}
	return inOutbox, nil
}

func (o *fakeOutbox) Report(_ context.Context, id string) (*report.Detail, error) {
	for _, r := range inOutbox {
		if r.ID == id {
			return &report.Detail{Summary: r, TransactionID: r.Transaction, Subject: "CN=device-1", HResult: "0x800705B4 (ERROR_TIMEOUT)"}, nil
		}
	}
	return nil, fmt.Errorf("reading report %q: %w", id, report.ErrNotFound)
}

func (o *fakeOutbox) Retry(ctx context.Context, id string) error { return o.note(ctx, "retry", id) }
func (o *fakeOutbox) Drop(ctx context.Context, id string) error  { return o.note(ctx, "drop", id) }

func (o *fakeOutbox) note(ctx context.Context, what, id string) error {
	if _, err := o.Report(ctx, id); err != nil {
		return err
	}
	o.done = append(o.done, what+" "+id)
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve shows a CA at an address.
func serve(t *testing.T, ca status.CA) (*status.Board, string) {
	t.Helper()
	b, address := status.NewBoard("1.2.3"), freeAddress(t)
	b.Show(ca)
	if err := b.Listen(address, false, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, address
}

// runCommand runs the program and returns its exit status and what it prints.
func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	exit, errWriter := cli.OsExiter, cli.ErrWriter
	defer func() { cli.OsExiter, cli.ErrWriter = exit, errWriter }()
	cli.OsExiter, cli.ErrWriter = func(c int) { code = c }, &errs
	err := newTestApp(&out).Run(append([]string{"step-ca-intune"}, args...))
	if _, ok := err.(cli.ExitCoder); err != nil && !ok {
		t.Fatalf("%q: an error without an exit status: %v", args, err)
	}
	return code, out.String(), errs.String()
}
