package matrix

import (
	"encoding/asn1"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// documented returns the examples in docs/certificates.md: a profile and two
// templates.
func documented(t *testing.T) (settings map[string]any, templates []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "certificates.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 {
			blocks = append(blocks, strings.TrimPrefix(part, "json\n"))
		}
	}
	if len(blocks) != 3 {
		t.Fatalf("%d examples, want a profile and two templates", len(blocks))
	}
	if err := json.Unmarshal([]byte(blocks[0]), &settings); err != nil {
		t.Fatal(err)
	}
	return settings, blocks[1:]
}

// copying is the template that many would write: all that the device asks for.
const copying = `{
	"subject": {{ toJson .Insecure.CR.Subject }},
	"sans": {{ toJson .SANs }},
	"extensions": {{ toJson .Insecure.CR.Extensions }},
	"keyUsage": ["digitalSignature", "keyEncipherment"],
	"extKeyUsage": ["clientAuth"]
}`

// TestProfileOfAProvisioner runs on one CA what the profile and the template of
// a provisioner make of honest and other requests.
func TestProfileOfAProvisioner(t *testing.T) {
	t.Parallel()
	settings, templates := documented(t)
	s := newSite(t, map[string]func(map[string]any){
		"intune":     nil,
		"documented": profile(settings),
		"strict": profile(map[string]any{"unknownSANs": "refuse", "extKeyUsage": []string{"clientAuth", "smartCardLogon"},
			"allowExtKeyUsage": []string{"clientAuth"}}),
		"adds":       all(profile(settings), template(templates[0])),
		"leaves-out": all(profile(settings), template(templates[1])),
		"copies":     template(copying),
	}, nil, nil)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"hostile requests are refused unasked", testHostile},
		{"harmless extensions are left out", testHarmless},
		{"the settings in the documentation", testDocumentedSettings},
		{"other settings", testStrictSettings},
		{"the templates in the documentation", testDocumentedTemplates},
		{"a template that copies the request", testCopyingTemplate},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, s) })
	}
}

func testDocumentedSettings(t *testing.T, s *site) {
	withValidity := func(attributes []device.Attribute) func(*device.CSR) {
		return func(c *device.CSR) { c.Attributes = attributes }
	}
	year, month := 8760*time.Hour, 730*time.Hour
	for name, test := range map[string]struct {
		change   func(*device.CSR)
		validity time.Duration
	}{
		"and a forged SID":                      {forge, year},
		"and a validity as Windows has it":      {withValidity(askValidity("1", "Months")), month},
		"and a validity as Android has it":      {withValidity(askValiditySwapped("1", "Months")), month},
		"and a validity that is too long":       {withValidity(askValidity("10", "Years")), year},
		"and no validity":                       {withValidity(nil), year},
		"and a name of a kind that it leaves":   {addSANs([]byte{0x88, 3, 0x2a, 3, 4}), year},
		"and no extended key usage":             {func(c *device.CSR) { c.ExtKeyUsage = nil }, year},
		"and an extended key usage that it has": {func(c *device.CSR) { c.ExtKeyUsage = []asn1.ObjectIdentifier{oid(t, oidClientAuth)} }, year},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.inspect(t, s.enrol(t, "documented", s.approvable(t, test.change), issued, ""))
			if got := c.validity(); got != test.validity {
				t.Errorf("valid for %s, want %s", got, test.validity)
			}
			checkText(t, c, extCRL, "URI:http://crl.contoso.com/devices.crl")
			checkText(t, c, extAIA, "CA Issuers - URI:http://crl.contoso.com/devices.crt")
			checkText(t, c, extEKU, "TLS Web Client Authentication")
			if got, want := c.sans(), "othername: UPN:alice@contoso.example, URI:"+sidURI+honestSID; got != want {
				t.Errorf("names %q, want %q", got, want)
			}
			checkSID(t, c)
			if others := c.others(); len(others) != 3 {
				t.Errorf("further extensions %q", others)
			}
		})
	}
	for name, h := range map[string]hostileRequest{
		"and two SIDs":                       {addSANs(device.URI(sidURI + forgedSID)), "two SIDs"},
		"and a URI without a proper SID":     {addSANs(device.URI(sidURI + "S-1-5-21-x")), "is no SID"},
		"and a usage that it does not allow": {ask(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}), "serverAuth"},
		"and a validity of nonsense":         {withValidity(askValidity("1", "Moons")), "cannot be read"},
		"and a validity of a minute":         {withValidity(askValidity("1", "Minutes")), "shorter than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.enrol(t, "documented", s.approvable(t, h.change), unasked, h.why)
		})
	}
}

func testStrictSettings(t *testing.T, s *site) {
	for name, h := range map[string]hostileRequest{
		"refuse a registered id":    {addSANs([]byte{0x88, 3, 0x2a, 3, 4}), "registeredID"},
		"refuse a directory's name": {addSANs([]byte{0xa4, 2, 0x30, 0}), "directoryName"},
		"refuse another otherName":  {addSANs([]byte{0xa0, 8, 6, 2, 0x2a, 3, 0xa0, 2, 5, 0}), "otherName 1.2.3"},
		"refuse a usage beyond":     {ask(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}), "smartCardLogon"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.enrol(t, "strict", s.approvable(t, h.change), unasked, h.why)
		})
	}
	t.Run("give usages where none is asked for", func(t *testing.T) {
		t.Parallel()
		csr := s.approvable(t, func(c *device.CSR) { c.ExtKeyUsage = nil })
		c := s.inspect(t, s.enrol(t, "strict", csr, issued, ""))
		text := strings.Split(c.find(extEKU).text, ", ")
		if len(text) != 2 || text[0] != "TLS Web Client Authentication" || !strings.Contains(text[1], "Smartcard") {
			t.Errorf("extended key usage %q", text)
		}
	})
	t.Run("give no more usages than asked for", func(t *testing.T) {
		t.Parallel()
		checkText(t, s.inspect(t, s.enrol(t, "strict", s.approvable(t, nil), issued, "")), extEKU, "TLS Web Client Authentication")
	})
}

func testDocumentedTemplates(t *testing.T, s *site) {
	t.Run("the one that adds", func(t *testing.T) {
		t.Parallel()
		c := s.inspect(t, s.enrol(t, "adds", s.approvable(t, nil), issued, ""))
		checkText(t, c, extPolicies, "Policy: 1.3.6.1.4.1.99999.1.1")
		checkText(t, c, extCRL, "URI:http://crl.contoso.com/devices.crl")
		checkText(t, c, extKU, "Digital Signature, Key Encipherment")
		if text := c.find("1.3.6.1.4.1.99999.7").text; !strings.Contains(text, "floor") {
			t.Errorf("the private extension is %q", text)
		}
		if got, want := c.sans(), "othername: UPN:alice@contoso.example, URI:"+sidURI+honestSID; got != want {
			t.Errorf("names %q, want %q", got, want)
		}
		checkSID(t, c)
	})
	t.Run("the one that leaves out", func(t *testing.T) {
		t.Parallel()
		c := s.inspect(t, s.enrol(t, "leaves-out", s.approvable(t, nil), issued, ""))
		if got, want := c.sans(), "othername: UPN:alice@contoso.example"; got != want || c.find(extSAN).critical {
			t.Errorf("names %q, critical %t, want %q", got, c.find(extSAN).critical, want)
		}
		checkText(t, c, extCRL, "")
		checkSID(t, c)
	})
}

// testCopyingTemplate shows that a template beyond the profile is an error of
// the CA's: Intune has approved and hears of the failure.
func testCopyingTemplate(t *testing.T, s *site) {
	for name, test := range map[string]struct {
		change func(*device.CSR)
		hint   string
	}{
		"a forged SID":                {forge, "SID"},
		"an unknown extension":        {extend(oidPrivate, false, 5, 0), "1.3.6.1.4.1.99999.1"},
		"a name of an unknown kind":   {addSANs([]byte{0x88, 3, 0x2a, 3, 4}), "the request lacks the name"},
		"name constraints":            {extend(asn1.ObjectIdentifier{2, 5, 29, 30}, false, 0x30, 0), "2.5.29.30"},
		"a Netscape certificate type": {extend(asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}, false, 3, 2, 0, 7), "2.16.840.1.113730.1.1"},
		"a template's name":           {extend(oidTemplateName, false, append([]byte{0x1e, 4}, "\x00D\x00C"...)...), "1.3.6.1.4.1.311.20.2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.enrol(t, "copies", s.approvable(t, test.change), failed, test.hint)
		})
	}
	t.Run("CA:TRUE, before Intune is asked", func(t *testing.T) {
		t.Parallel()
		s.enrol(t, "copies", s.approvable(t, hostile["CA:TRUE"].change), unasked, "basic constraints")
	})
	t.Run("nothing that is not granted", func(t *testing.T) {
		t.Parallel()
		c := s.inspect(t, s.enrol(t, "copies", s.approvable(t, nil), issued, ""))
		if others := c.others(); others != nil {
			t.Errorf("further extensions %q", others)
		}
	})
}

// checkText compares the last line of what openssl shows of an extension.
func checkText(t *testing.T, c *certificate, name, want string) {
	t.Helper()
	lines := strings.Split(c.find(name).text, "; ")
	if got := lines[len(lines)-1]; got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// checkSID looks for the SID in an extension of its own, whose name depends on
// openssl's release.
func checkSID(t *testing.T, c *certificate) {
	t.Helper()
	holds := func(sid string) func(extension) bool {
		return func(e extension) bool { return e.name != extSAN && strings.Contains(e.text, sid) }
	}
	if !slices.ContainsFunc(c.extensions, holds(honestSID)) {
		t.Errorf("no SID in %+v", c.extensions)
	}
	if slices.ContainsFunc(c.extensions, holds(forgedSID)) {
		t.Errorf("a forged SID in %+v", c.extensions)
	}
}
