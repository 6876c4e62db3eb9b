package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestReportsAreListedAndShown(t *testing.T) {
	_, address := serve(t, new(fakeCA))
	code, out, _ := runCommand(t, "reports", "list", "--address", address)
	for _, want := range []string{"ID ", "0001", "pending", "success", "tx-1", "0002", "dead", "failure", "refused"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, %q is missing in\n%s", code, want, out)
		}
	}
	code, shown, _ := runCommand(t, "reports", "show", "--address", address, "0002")
	for _, want := range []string{"CN=device-1", "0x800705B4 (ERROR_TIMEOUT)", "dead", "9"} {
		if code != 0 || !strings.Contains(shown, want) {
			t.Errorf("status %d, %q is missing in\n%s", code, want, shown)
		}
	}
	if strings.Contains(out+shown, "\x1b") {
		t.Errorf("a device can steer the terminal: %q", out+shown)
	}
	for _, args := range [][]string{{"list"}, {"show", "0001"}} {
		args = append([]string{"reports", args[0], "--json", "--address", address}, args[1:]...)
		if code, out, _ := runCommand(t, args...); code != 0 || !json.Valid([]byte(out)) {
			t.Errorf("%q: status %d, %s", args, code, out)
		}
	}
}

func TestReportsAreRetriedAndDropped(t *testing.T) {
	ca := new(fakeCA)
	_, address := serve(t, ca)
	for _, test := range []struct {
		args []string
		code int
		want string // on either stream
		done []string
	}{
		{[]string{"retry", "0001", "0002"}, 0, "0002: due now", []string{"retry 0001", "retry 0002"}},
		{[]string{"retry", "--dead"}, 0, "0002: due now", []string{"retry 0002"}},
		{[]string{"drop", "0001"}, 0, "0001: dropped", []string{"drop 0001"}},
		{[]string{"drop", "9999", "0002"}, 1, "there is no such report", []string{"drop 0002"}},
		{[]string{"show", "9999"}, 1, "there is no such report", nil},
	} {
		ca.outbox.done = nil
		args := append([]string{"reports", test.args[0], "--address", address}, test.args[1:]...)
		code, out, stderr := runCommand(t, args...)
		if code != test.code || !strings.Contains(out+stderr, test.want) || !slices.Equal(ca.outbox.done, test.done) {
			t.Errorf("%q: status %d, %q %q, done %q", test.args, code, out, stderr, ca.outbox.done)
		}
	}
}

func TestNoDeadReportIsSaid(t *testing.T) {
	ca := &fakeCA{outbox: fakeOutbox{noneDead: true}}
	_, address := serve(t, ca)
	if code, out, _ := runCommand(t, "reports", "retry", "--dead", "--address", address); code != 0 || out != "There are no dead reports.\n" || ca.outbox.done != nil {
		t.Errorf("status %d, %q, done %q", code, out, ca.outbox.done)
	}
}
