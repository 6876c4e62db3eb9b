package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

func TestStatusShowsARunningCA(t *testing.T) {
	b, address := serve(t, new(fakeCA))
	b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Issued})
	b.Enrolled(status.Enrolment{
		Provisioner: "intune", Outcome: status.Refused, Code: intune.CodeChallengeExpired, Advice: intune.CodeChallengeExpired.Advice(),
		Subject: "CN=\x1b[31mdevice-1\u202e", Transaction: "tx-1",
	})
	b.Enrolled(status.Enrolment{Provisioner: "intune", Outcome: status.Failed, Error: "the device has hung up"})
	b.Called("intune", intune.Attempt{Operation: "token", Number: 1, Err: &intune.ServiceError{
		Kind: intune.ErrUnauthorized, Operation: "token", Description: "AADSTS7000222", Advice: "Make a new client secret.",
	}})
	code, out, stderr := runCommand(t, "status", "--address", address)
	if code != 0 || stderr != "" {
		t.Errorf("status %d, %q", code, stderr)
	}
	for _, want := range []string{
		"step-ca-intune 1.2.3, ready, since ", "contoso.onmicrosoft.com", "FAILING", "2 of 256",
		"token is unauthorized since", "AADSTS7000222", "→ Make a new client secret.",
		"with 3 under way", "issued      1", "refused     1  ChallengeExpired 1", "failed      1  none 1", "unreported  0",
		"REPORTS: 1 pending, the oldest since", "1 dead", "reports list",
		"LAST REFUSALS", "ChallengeExpired: " + intune.CodeChallengeExpired.Explanation(), intune.CodeChallengeExpired.Advice(),
		"LAST FAILURES", "the device has hung up",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("a device can steer the terminal: %q", out)
	}
	if code, out, _ = runCommand(t, "status", "--json", "--address", address); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("status %d, %s", code, out)
	}
}

func TestStatusEndsWithOneWhenTheCAIsNotReady(t *testing.T) {
	_, address := serve(t, &fakeCA{unready: errors.New("asking the database: closed")})
	code, out, _ := runCommand(t, "status", "--address", address)
	if code != 1 || !strings.Contains(out, "NOT READY (asking the database: closed)") {
		t.Errorf("status %d, %s", code, out)
	}
}

// writeConfig writes a ca.json that names a listener.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheListenerIsFoundInTheConfiguration(t *testing.T) {
	_, address := serve(t, new(fakeCA))
	file := writeConfig(t, `{"intune": {"statusAddress": "`+address+`"}}`)
	if code, out, stderr := runCommand(t, "status", file); code != 0 || !strings.Contains(out, "ready") {
		t.Errorf("status: %d, %q %q", code, out, stderr)
	}
	if code, out, stderr := runCommand(t, "reports", "list", "--config", file); code != 0 || !strings.Contains(out, "0001") {
		t.Errorf("reports: %d, %q %q", code, out, stderr)
	}
}

func TestCommandsSayWhatToDoWhenThereIsNothingToAsk(t *testing.T) {
	silent := freeAddress(t)
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"no address in ca.json": {[]string{"status", writeConfig(t, `{"authority": {}}`)}, []string{"no listener: set intune.statusAddress in ", "ca.json"}},
		"nobody listens":        {[]string{"status", "--address", silent}, []string{"no listener at " + silent, "set intune.statusAddress in ca.json"}},
		"no ca.json":            {[]string{"status", "/nonexistent/ca.json"}, []string{"/nonexistent/ca.json", "--address"}},
		"a mistake in ca.json":  {[]string{"status", writeConfig(t, `{"intune": {"statusAdress": ""}}`)}, []string{"intune.statusAdress: unknown key"}},
		"reports":               {[]string{"reports", "list", "--address", silent}, []string{"no listener at " + silent}},
		"retry":                 {[]string{"reports", "retry", "--address", silent, "0001"}, []string{"no listener at " + silent}},
		"no report named":       {[]string{"reports", "drop", "--address", silent}, []string{"which report?"}},
		"status of two":         {[]string{"status", "--address", silent, "1", "2"}, []string{"takes one configuration"}},
		"show of two":           {[]string{"reports", "show", "--address", silent, "1", "2"}, []string{"takes 1 argument, not 2"}},
	} {
		code, out, stderr := runCommand(t, test.args...)
		if code != 2 || out != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q", name, code, out, stderr)
		}
		for _, want := range test.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q is missing in %q", name, want, stderr)
			}
		}
	}
}

func TestTimesAreToldInTwoUnits(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 61 * time.Second: "1 min 1 s", 3 * time.Hour: "3 h",
		26*time.Hour + 5*time.Minute: "1 d 2 h", -time.Minute: "0 s",
	} {
		if got := ago(begin, begin.Add(d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
