package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// A client that nobody here wrote enrols with a challenge of Intune's, and is
// refused without.
func TestScepclientEnrols(t *testing.T) {
	for name, elliptic := range map[string]bool{"at an RSA CA": false, "at an elliptic CA": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(_ map[string]any, o *harness.Options) { o.EllipticIntermediate = elliptic })
			challenge := s.challenge(intunesim.Challenge{
				Subject:   "CN=foreign,OU=Devices,O=Contoso,C=GB",
				SANs:      []intunesim.SAN{{Type: "dns", Value: "foreign.contoso.example"}},
				KeyLength: 2048,
				DeviceID:  "foreign",
			})
			flags := []string{"-cn", "foreign", "-organization", "Contoso", "-ou", "Devices", "-country", "GB", "-dnsname", "foreign.contoso.example"}
			if elliptic {
				flags = append(flags, "-key-encipherment-selector")
			}
			enrol := func(challenge string) (subject, output string, err error) {
				c, output, err := harness.Foreign(t.Context(), harness.SCEPClient.In(bin), t.TempDir(), s.ca.SCEP(intune),
					append(flags, "-challenge", challenge)...)
				if err != nil {
					return "", output, err
				}
				return c.Subject.String(), output, c.VerifyHostname("foreign.contoso.example")
			}
			subject, output, err := enrol(challenge)
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if !strings.Contains(subject, "CN=foreign") {
				t.Errorf("subject is %q", subject)
			}
			if listed := s.listed(intunesim.StateIssued); len(listed) != 1 || listed[0].DeviceID != "foreign" {
				t.Errorf("Intune lists %+v", listed)
			}
			if _, _, err := enrol("open sesame"); err == nil {
				t.Error("a wrong challenge got a certificate")
			}
			if listed := s.listed(intunesim.StateIssued); len(listed) != 1 {
				t.Errorf("Intune lists %d certificates", len(listed))
			}
		})
	}
}

func TestTheDemoEndsAsItShould(t *testing.T) {
	t.Parallel()
	if err := noteSources(); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), harness.Demo.In(bin), "-bin", bin).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	if last := lines[len(lines)-1]; last != "demo: 4 issued and reported, 7 refused, 0 unexpected" {
		t.Errorf("the last line is %q", last)
	}
	rows := 0
	for _, line := range lines {
		for _, platform := range []string{"Windows ", "iPhone ", "Android "} {
			if strings.HasPrefix(line, platform) {
				rows++
			}
		}
	}
	if rows != 11 {
		t.Errorf("the table has %d rows:\n%s", rows, output)
	}
}
