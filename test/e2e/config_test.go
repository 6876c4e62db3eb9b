package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// A configuration that is wrong stops the start with one line that names
// provisioner and key, and each mistake with a line of its own.
func TestAMistakeInTheConfigurationStopsTheStart(t *testing.T) {
	authority := func(key string, value any) func(map[string]any, *harness.Options) {
		return func(_ map[string]any, o *harness.Options) {
			o.Edit = func(config map[string]any) { config["authority"].(map[string]any)[key] = value }
		}
	}
	field := func(key string, value any) func(map[string]any, *harness.Options) {
		return func(entry map[string]any, _ *harness.Options) { entry[key] = value }
	}
	setting := func(key string, value any) func(map[string]any, *harness.Options) {
		return func(entry map[string]any, _ *harness.Options) { settings(entry)[key] = value }
	}
	without := func(key string) func(map[string]any, *harness.Options) {
		return func(entry map[string]any, _ *harness.Options) { delete(settings(entry), key) }
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	webhook := func(name, kind string) map[string]any {
		return map[string]any{"webhooks": []any{map[string]any{"name": name, "kind": kind, "url": "https://127.0.0.1:1/"}}}
	}
	yes := map[string]any{"disableSmallstepExtensions": true}

	tests := map[string]struct {
		edit func(entry map[string]any, o *harness.Options)
		line []string // parts of the line beside the provisioner's name
	}{
		"an unknown key of the entry":      {field("colour", "blue"), []string{"colour"}},
		"an unknown key of the settings":   {setting("tennant", "x"), []string{"intune.tennant"}},
		"no settings":                      {func(entry map[string]any, _ *harness.Options) { delete(entry, "intune") }, []string{"intune"}},
		"no tenant":                        {without("tenant"), []string{"intune.tenant"}},
		"no client id":                     {without("clientID"), []string{"intune.clientID"}},
		"no credential":                    {without("credential"), []string{"intune.credential"}},
		"an empty credential":              {setting("credential", map[string]any{}), []string{"intune.credential"}},
		"two credentials":                  {setting("credential", map[string]any{"secretFile": "a", "secretEnv": "B"}), []string{"intune.credential"}},
		"a secret written inline":          {setting("credential", map[string]any{"secret": "written-inline"}), []string{"secret", "unknown key"}},
		"a secret file that is missing":    {setting("credential", map[string]any{"secretFile": "/does/not/exist"}), []string{"intune.credential.secretFile", "/does/not/exist"}},
		"a secret file that is empty":      {setting("credential", map[string]any{"secretFile": empty}), []string{"intune.credential.secretFile", "empty"}},
		"a variable that is not set":       {setting("credential", map[string]any{"secretEnv": "NOT_SET_ANYWHERE"}), []string{"intune.credential.secretEnv", "NOT_SET_ANYWHERE"}},
		"a bad duration":                   {setting("timeout", "ten seconds"), []string{"intune.timeout", "ten seconds"}},
		"a timeout beyond step-ca's own":   {setting("timeout", "14s"), []string{"intune.timeout", "14s"}},
		"a timeout that is not positive":   {setting("timeout", "0s"), []string{"intune.timeout"}},
		"a timeout that is a number":       {setting("timeout", 10), []string{"intune.timeout"}},
		"an endpoint without https":        {setting("endpoints", map[string]any{"login": "http://127.0.0.1"}), []string{"intune.endpoints.login"}},
		"an unknown endpoint":              {setting("endpoints", map[string]any{"logon": "https://127.0.0.1"}), []string{"logon"}},
		"a host that is a URL":             {setting("allowedServiceHosts", []any{"https://127.0.0.1"}), []string{"intune.allowedServiceHosts"}},
		"roots that are missing":           {setting("tls", map[string]any{"rootCAs": "/does/not/exist"}), []string{"intune.tls.rootCAs", "/does/not/exist"}},
		"roots that are none":              {setting("tls", map[string]any{"rootCAs": empty}), []string{"intune.tls.rootCAs"}},
		"a static challenge":               {field("challenge", "open sesame"), []string{"challenge"}},
		"a challenge webhook of one's own": {field("options", webhook("mine", "SCEPCHALLENGE")), []string{"options.webhooks", "SCEPCHALLENGE"}},
		"a webhook with our name":          {field("options", webhook("intune", "ENRICHING")), []string{"options.webhooks", `"intune"`}},
		"no extension on the entry":        {field("claims", yes), []string{"claims.disableSmallstepExtensions"}},
		"no extension on the authority":    {authority("claims", yes), []string{"authority.claims.disableSmallstepExtensions"}},
		"a linked CA": {func(entry map[string]any, o *harness.Options) {
			authority("authorityId", "9bc5bbf0-0d8e-4d0a-a2f1-6f8f5f0d4c11")(entry, o)
			withRemote(entry, o)
		}, []string{"authority.authorityId", "linked"}},
		"remote management without a database": {func(entry map[string]any, o *harness.Options) {
			withRemote(entry, o)
			withoutDatabase(entry, o)
		}, []string{"authority.enableAdmin", "db"}},
		"another authority type": {func(_ map[string]any, o *harness.Options) {
			o.Edit = func(config map[string]any) {
				a := config["authority"].(map[string]any)
				a["type"] = "stepcas"
				a["certificateAuthority"] = "https://127.0.0.1:1"
				a["certificateAuthorityFingerprint"] = strings.Repeat("0", 64)
				a["certificateIssuer"] = map[string]any{"type": "x5c", "provisioner": "x"}
			}
		}, []string{"authority.type", "stepcas"}},
		"a SCEP entry with our settings": {field("type", "SCEP"), []string{"type", "SCEP"}},
		"a JWK entry with our settings":  {field("type", "JWK"), []string{"type", "JWK"}},
		"two entries of one name": {func(_ map[string]any, o *harness.Options) {
			o.Provisioners = append(o.Provisioners, harness.SCEPEntry(intune, "open sesame"))
		}, []string{"name"}},
		"small keys":               {field("minimumPublicKeyLength", 1024), []string{"minimumPublicKeyLength", "1024"}},
		"a forced common name":     {field("forceCN", true), []string{"forceCN"}},
		"claims of the wrong type": {field("claims", "a year"), []string{"claims"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, startSim(t), test.edit)
			ca, err := harness.StartCA(t.Context(), harness.StepCAIntune.In(bin), a)
			if err == nil {
				ca.Kill()
				t.Fatal("the CA started")
			}
			if !strings.Contains(err.Error(), "ended with status 2") {
				t.Errorf("the exit status is not 2: %v", err)
			}
			if strings.Contains(err.Error(), "written-inline") {
				t.Errorf("the secret is printed: %v", err)
			}
			var lines []string
			for line := range strings.Lines(err.Error()) {
				if strings.Contains(line, `provisioner "`+intune+`"`) {
					lines = append(lines, line)
				}
			}
			if len(lines) != 1 {
				t.Fatalf("%d lines name the provisioner: %v", len(lines), err)
			}
			for _, part := range test.line {
				if !strings.Contains(lines[0], part) {
					t.Errorf("the line does not name %q: %s", part, lines[0])
				}
			}
		})
	}
}

// An elliptic CA without a decrypter cannot serve SCEP at all.
func TestAnEllipticCAWithoutDecrypterStopsTheStart(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, startSim(t), func(_ map[string]any, o *harness.Options) {
		o.EllipticIntermediate = true
		o.Edit = func(config map[string]any) {
			entry := harness.Provisioner(config, intune)
			delete(entry, "decrypterCertificate")
			delete(entry, "decrypterKeyPEM")
		}
	})
	ca, err := harness.StartCA(t.Context(), harness.StepCAIntune.In(bin), a)
	if err == nil {
		ca.Kill()
		t.Fatal("the CA started")
	}
	if !strings.Contains(err.Error(), `provisioner "intune": decrypterCertificate`) {
		t.Error(err)
	}
}

func TestAnEllipticCAWithDecrypterIssues(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ map[string]any, o *harness.Options) { o.EllipticIntermediate = true })
	s.issue("device-1")
}
