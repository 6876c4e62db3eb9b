package profile

import (
	"bytes"
	stdasn1 "encoding/asn1"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// documented returns docs/certificates.md and its examples.
func documented(t *testing.T) (page string, blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "certificates.md"))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "```")
	for i := 1; i < len(parts); i += 2 {
		blocks = append(blocks, strings.TrimPrefix(parts[i], "json\n"))
	}
	if len(blocks) != 3 {
		t.Fatalf("%d examples, want a profile and two templates", len(blocks))
	}
	return string(text), blocks
}

func TestDocumentationNamesEverySettingAndValue(t *testing.T) {
	page, blocks := documented(t)
	decoder := json.NewDecoder(strings.NewReader(blocks[0]))
	decoder.DisallowUnknownFields()
	var s Settings
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Profile(); err != nil {
		t.Fatal(err)
	}

	for field := range reflect.TypeFor[Settings]().Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if key != "-" && (!strings.Contains(page, "\n| `"+key+"` |") || !strings.Contains(blocks[0], `"`+key+`"`)) {
			t.Errorf("profile.%s is not documented", key)
		}
	}
	for key := range mustRead(t, Settings{}, draft{}).TemplateData() {
		if !strings.Contains(page, "`"+key+"`") {
			t.Errorf(".Webhooks.intune.%s is not documented", key)
		}
	}
	for _, u := range templateUsages {
		if !strings.Contains(page, "`"+u.name+"`") {
			t.Errorf("usage %s is not documented", u.name)
		}
	}
	for name := range namedUsages {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("usage %s is not documented", name)
		}
	}
}

var documentedDevices = map[string]func(testing.TB) draft{
	"with everything": func(t testing.TB) draft {
		return draft{}.sans(t, upn("alice@contoso.example"), uriName(sidPrefix+"S-1-5-21-1-2-3-1001"),
			dnsName("Device.contoso.example"), emailName("alice@contoso.example"), tlv(0x87, []byte{192, 0, 2, 1})).
			ext(oidKeyUsage, true, kuValue(0xb0)).ext(oidExtKeyUsage, false, ekuValue(t, clientAuth, smartCardLogon))
	},
	"with a subject only": func(testing.TB) draft { return draft{} },
	"with DNS names only": func(t testing.TB) draft {
		return draft{}.sans(t, dnsName("Device.contoso.example"))
	},
}

func TestDocumentedTemplateThatAdds(t *testing.T) {
	_, blocks := documented(t)
	for what, d := range documentedDevices {
		t.Run(what, func(t *testing.T) {
			_, issued := issue(t, Settings{SIDFromSAN: true, CRLDistributionPoints: []string{"http://crl.example/a.crl"}}, d(t), blocks[1])
			_, plain := issue(t, Settings{SIDFromSAN: true}, d(t), DefaultTemplate)
			if !bytes.Equal(issued.RawSubject, plain.RawSubject) || !reflect.DeepEqual(extensionOf(issued, oidSAN), extensionOf(plain, oidSAN)) {
				t.Error("subject or names differ from the default template's")
			}
			if e := extensionOf(issued, stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 7}); e == nil || !bytes.Equal(e.Value, utf8String("floor")) {
				t.Errorf("private extension %+v", e)
			}
			if len(issued.Policies) != 1 || issued.Policies[0].String() != "1.3.6.1.4.1.99999.1.1" {
				t.Errorf("policies %v", issued.Policies)
			}
			if issued.KeyUsage != defaultKeyUsage || len(issued.CRLDistributionPoints) != 1 {
				t.Errorf("key usage %v, CRLs %q", issued.KeyUsage, issued.CRLDistributionPoints)
			}
		})
	}
}

func TestDocumentedTemplateThatLeavesOut(t *testing.T) {
	_, blocks := documented(t)
	for what, d := range documentedDevices {
		t.Run(what, func(t *testing.T) {
			r, issued := issue(t, Settings{SIDFromSAN: true}, d(t), blocks[2])
			if issued.URIs != nil {
				t.Errorf("URIs %v", issued.URIs)
			}
			var got, want []string
			if san := extensionOf(issued, oidSAN); san != nil {
				if san.Critical {
					t.Error("the names are critical")
				}
				sans, err := parseSANs(san.Value)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range sans {
					got = append(got, s.key())
				}
			}
			for _, s := range r.SANs {
				if s.Type != sanURI {
					want = append(want, s.key())
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("names %q, want %q", got, want)
			}
			if (extensionOf(issued, oidSIDExtension) != nil) != (r.sid != "") {
				t.Errorf("SID %q, extension %+v", r.sid, extensionOf(issued, oidSIDExtension))
			}
		})
	}
}
