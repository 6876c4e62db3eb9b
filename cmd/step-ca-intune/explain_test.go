package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

func TestExplainSaysWhatACodeMeansAndWhatToDo(t *testing.T) {
	for _, e := range intune.Explanations() {
		out := new(bytes.Buffer)
		err := newTestApp(out).Run([]string{"step-ca-intune", "explain", e.Name})
		if err != nil || !strings.Contains(out.String(), e.Meaning) || !strings.Contains(out.String(), e.Advice) {
			t.Errorf("%s: %v, %q", e.Name, err, out)
		}
	}
	out := new(bytes.Buffer)
	if err := newTestApp(out).Run(strings.Fields("step-ca-intune explain -2147024891")); err != nil || !strings.HasPrefix(out.String(), "0x80070005 (E_ACCESSDENIED): ") {
		t.Errorf("a negative number: %v, %q", err, out)
	}
	out.Reset()
	if err := newTestApp(out).Run(strings.Fields("step-ca-intune explain AADSTS7000215: Invalid client secret provided.")); err != nil || !strings.HasPrefix(out.String(), "AADSTS7000215: ") {
		t.Errorf("a message without quotes: %v, %q", err, out)
	}
}

func TestExplainRefusesWhatItDoesNotKnowAndSaysWhatToAsk(t *testing.T) {
	out := new(bytes.Buffer)
	err := newTestApp(out).Run(strings.Fields("step-ca-intune explain ChallengeExpires"))
	if err == nil || out.Len() > 0 {
		t.Fatalf("%v, %q", err, out)
	}
	for _, want := range []string{`"ChallengeExpires"`, "Intune answers", "HRESULT", "AADSTS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %q", want, err)
		}
	}
}

func TestExplainAloneListsWhatItKnows(t *testing.T) {
	out := new(bytes.Buffer)
	if err := newTestApp(out).Run(strings.Fields("step-ca-intune explain")); err != nil {
		t.Fatal(err)
	}
	for _, e := range intune.Explanations() {
		if !strings.Contains(out.String(), e.Name) {
			t.Errorf("%s is missing", e.Name)
		}
	}
}

func newTestApp(out *bytes.Buffer) *cli.App {
	app := newApp(versions{ours: "test"})
	app.Writer = out
	return app
}
