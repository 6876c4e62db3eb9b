package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/provisioner"
)

var someFindings = []provisioner.Finding{
	{Area: "ca.json", State: provisioner.StateOK, What: "step-ca reads it"},
	{Area: "CA", State: provisioner.StateWarning, What: "an X5C provisioner trusts this CA", Advice: "Remove it."},
	{Area: "CA", State: provisioner.StateProblem, What: "the key cannot be opened", Advice: "Check the password."},
}

func TestFindingsArePrintedByArea(t *testing.T) {
	out := new(bytes.Buffer)
	printFindings(out, someFindings)
	const want = `ca.json
  ✓ step-ca reads it
CA
  ! an X5C provisioner trusts this CA
    → Remove it.
  ✗ the key cannot be opened
    → Check the password.

1 problem, 1 warning
`
	if out.String() != want {
		t.Errorf("got\n%s", out)
	}
}

func TestFindingsAreWrappedBetweenWords(t *testing.T) {
	out := new(bytes.Buffer)
	printWrapped(out, "  ✗ ", "the key of the CA cannot be opened: /etc/step-ca/secrets/intermediate.key", 30)
	const want = `  ✗ the key of the CA cannot
    be opened:
    /etc/step-ca/secrets/intermediate.key
`
	if out.String() != want {
		t.Errorf("got\n%s", out)
	}
}

func TestFindingsAreCountedInJSON(t *testing.T) {
	out := new(bytes.Buffer)
	if err := printFindingsJSON(out, someFindings); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Problems, Warnings int
		Findings           []map[string]string
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Problems != 1 || got.Warnings != 1 || len(got.Findings) != 3 {
		t.Errorf("got %+v", got)
	}
	if f := got.Findings[2]; f["area"] != "CA" || f["state"] != "problem" || f["what"] != "the key cannot be opened" || f["advice"] != "Check the password." {
		t.Errorf("got %+v", f)
	}
}
