package setup

import (
	"slices"
	"strings"
	"testing"

	"go.step.sm/crypto/x509util"
)

func TestTheGuideSaysWhatToEnterAndNoSecret(t *testing.T) {
	p := prepare(t, map[string]string{"address": ":9443", "insecure-address": ":80", "provisioner": "phones"})
	text := guideOf(p)
	for _, want := range []string{
		testTenant, testClient, "Application.Read.All", "scep_challenge_provider", p.config, p.guide.passwordFile, p.guide.rootKey,
		p.guide.rootFile, x509util.Fingerprint(p.guide.root), p.guide.intermediateFile, x509util.Fingerprint(p.guide.intermediate),
		"Digital signature and Key encipherment", "2048 bits", "SHA-2", "Client Authentication, 1.3.6.1.5.5.7.3.2", "1 year",
		"https://ca.contoso.example:9443/scep/phones\n", "http://ca.contoso.example/scep/phones\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for name, text := range map[string]string{"changes": p.Changes(), "ca.json": string(p.new), "guide": text} {
		if strings.Contains(text, testSecret) {
			t.Errorf("the client secret is in the %s", name)
		}
	}
}

func TestTheGuideSaysThatTheFileOfTheSecretIsNeededNoMore(t *testing.T) {
	file, password := existing(t, "EC")
	for name, flags := range map[string]map[string]string{
		"a new CA":          {},
		"one that is there": {"existing": file, "provisioner": "second", "password-file": password},
	} {
		flags["secret-file"] = write(t, testSecret)
		if text := guideOf(prepare(t, flags)); !strings.Contains(text, "remove "+flags["secret-file"]+".\n") {
			t.Errorf("%s: not in\n%s", name, text)
		}
		t.Setenv(SecretEnv, testSecret)
		flags["secret-file"] = ""
		if text := guideOf(prepare(t, flags)); strings.Contains(text, "remove") {
			t.Errorf("%s: there is no file to remove: %s", name, text)
		}
	}
}

func TestTheSCEPURLsAreThoseOfTheServers(t *testing.T) {
	for _, test := range []struct {
		guide guide
		want  []string
	}{
		{guide{names: []string{"ca.example", "b"}, address: ":443"}, []string{"https://ca.example/scep/intune"}},
		{guide{names: []string{"ca.example"}, address: "127.0.0.1:9000"}, []string{"https://ca.example:9000/scep/intune"}},
		{guide{names: []string{"ca.example"}, address: ":80", insecureAddress: ":443"}, []string{"https://ca.example:80/scep/intune", "http://ca.example:443/scep/intune"}},
		{guide{names: []string{"::1"}, address: ":443", insecureAddress: ":8080"}, []string{"https://[::1]/scep/intune", "http://[::1]:8080/scep/intune"}},
	} {
		test.guide.provisioner = "intune"
		if got := test.guide.urls(); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestPathsAreFitForAShell(t *testing.T) {
	for path, want := range map[string]string{"/etc/ca.json": "/etc/ca.json", "/my ca/it's": `'/my ca/it'\''s'`, `C:\ca`: `'C:\ca'`} {
		if got := quote(path); got != want {
			t.Errorf("%s became %s", path, got)
		}
	}
}
