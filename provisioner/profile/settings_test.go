package profile

import (
	"bytes"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWrongSettingsAreNamed(t *testing.T) {
	tests := map[string]string{
		`{"extKeyUsage": ["x"]}`:                                         `profile.extKeyUsage: unknown usage "x"`,
		`{"extKeyUsage": ["1"]}`:                                         `profile.extKeyUsage: "1" is no object identifier`,
		`{"extKeyUsage": ["3.1.2"]}`:                                     "profile.extKeyUsage",
		`{"extKeyUsage": ["1.40.2"]}`:                                    "out of range",
		`{"extKeyUsage": ["1.3.06"]}`:                                    "leading zeros",
		`{"extKeyUsage": ["1..3"]}`:                                      "profile.extKeyUsage",
		`{"extKeyUsage": ["1.3.4294967296"]}`:                            "below 2^31",
		`{"extKeyUsage": []}`:                                            "profile.extKeyUsage: names no usage",
		`{"extKeyUsage": [""]}`:                                          "unknown usage",
		`{"extKeyUsage": ["clientAuth", "1.3.6.1.5.5.7.3.2"]}`:           "twice",
		`{"allowExtKeyUsage": ["clientauth"]}`:                           `profile.allowExtKeyUsage: unknown usage "clientauth"`,
		`{"allowExtKeyUsage": []}`:                                       "profile.allowExtKeyUsage: names no usage",
		`{"unknownSANs": "keep"}`:                                        `profile.unknownSANs: "keep"`,
		`{"crlDistributionPoints": ["crl.example/ca.crl"]}`:              "profile.crlDistributionPoints",
		`{"crlDistributionPoints": ["file:///ca.crl"]}`:                  "profile.crlDistributionPoints",
		`{"crlDistributionPoints": ["http:///ca.crl"]}`:                  "names no host",
		`{"issuingCertificateURL": [""]}`:                                "profile.issuingCertificateURL",
		`{"issuingCertificateURL": ["http://user:pw@ca.example/a.crt"]}`: "profile.issuingCertificateURL",
		`{"crlDistributionPoints": ["http://bücher.example/ca.crl"]}`:    "is no URL",
		`{"issuingCertificateURL": ["http://ca.example/\u0000"]}`:        "profile.issuingCertificateURL",
	}
	for text, want := range tests {
		var s Settings
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		_, err := s.Profile()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "pw@") {
			t.Errorf("%s: a password in %v", text, err)
		}
	}
	for _, bits := range []int{-1, 1024, 2047, 8193} {
		if _, err := (Settings{MinimumKeyLength: bits}).Profile(); err == nil || !strings.Contains(err.Error(), "minimumPublicKeyLength") {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

func TestSettingsAreAsOperatorsWriteThem(t *testing.T) {
	text := `{"extKeyUsage": ["clientAuth", "1.2.3.4"], "allowExtKeyUsage": ["clientAuth", "smartCardLogon"],
		"unknownSANs": "refuse", "requestedValidity": true, "sidFromSAN": true,
		"crlDistributionPoints": ["http://crl.example/ca.crl"], "issuingCertificateURL": ["http://ca.example/ca.crt", "ldap:///CN=CA"]}`
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var s Settings
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Profile(); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"MinimumKeyLength": 3072}`), &s); err != nil || s.MinimumKeyLength != 0 {
		t.Errorf("%d bits from JSON, %v", s.MinimumKeyLength, err)
	}
}

func TestAllowedExtendedKeyUsagesAreAWhitelist(t *testing.T) {
	s := Settings{AllowExtKeyUsage: []string{"clientAuth", "codeSigning"}}
	d := draft{}.ext(oidExtKeyUsage, false, ekuValue(t, oidCodeSigning))
	_, issued := issue(t, s, d, DefaultTemplate)
	if !slices.Equal(issued.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}) {
		t.Errorf("%v", issued.ExtKeyUsage)
	}
	refused(t, s, draft{}.ext(oidExtKeyUsage, false, ekuValue(t, clientAuth, smartCardLogon)).der(t), "smartCardLogon (1.3.6.1.4.1.311.20.2.2) is not allowed")
}

func TestAddressesStandInTheCertificate(t *testing.T) {
	s := Settings{
		CRLDistributionPoints: []string{"http://crl.example/ca.crl"},
		IssuingCertificateURL: []string{"http://ca.example/ca.crt"},
	}
	_, issued := issue(t, s, draft{}, DefaultTemplate)
	if !slices.Equal(issued.CRLDistributionPoints, s.CRLDistributionPoints) ||
		!slices.Equal(issued.IssuingCertificateURL, s.IssuingCertificateURL) {
		t.Errorf("%q %q", issued.CRLDistributionPoints, issued.IssuingCertificateURL)
	}
}

func pairs(values ...[]byte) draft {
	return draft{attributes: [][]byte{concatAttribute(values)}}
}

func concatAttribute(values [][]byte) []byte {
	return tlv(0x30, oidDER(oidNameValuePair), tlv(0x31, values...))
}

func pair(a, b string) []byte { return tlv(0x30, bmpString(a), bmpString(b)) }

func TestRequestedValidityOnlyShortens(t *testing.T) {
	const year = 8760 * time.Hour
	windows := pairs(pair("ValidityPeriod", "Months"), pair("ValidityPeriodUnits", "3"))
	tests := []struct {
		name  string
		draft draft
		want  time.Duration
	}{
		{"none", draft{}, year},
		{"as Windows writes it", windows, year / 4},
		{"in two attributes", draft{attributes: [][]byte{
			concatAttribute([][]byte{pair("ValidityPeriod", "Days")}), concatAttribute([][]byte{pair("ValidityPeriodUnits", "7")})}}, 168 * time.Hour},
		{"as Android writes it, values swapped", pairs(pair("ValidityPeriod", "3"), pair("ValidityPeriodUnits", "Months")), year / 4},
		{"value before name", pairs(pair("Weeks", "ValidityPeriod"), pair("2", "ValidityPeriodUnits")), 336 * time.Hour},
		{"a list of pairs in one value", pairs(tlv(0x30, pair("ValidityPeriod", "hours"), pair("ValidityPeriodUnits", "2"))), 2 * time.Hour},
		{"in UTF-8", pairs(tlv(0x30, utf8String("ValidityPeriod"), utf8String("Days")), tlv(0x30, utf8String("ValidityPeriodUnits"), utf8String("7"))), 168 * time.Hour},
		{"pairs of other names", pairs(pair("CertType", "server")), year},
		{"longer", pairs(pair("ValidityPeriod", "Years"), pair("ValidityPeriodUnits", "2")), year},
		{"as long", pairs(pair("ValidityPeriod", "Months"), pair("ValidityPeriodUnits", "12")), year},
		{"absurdly long", pairs(pair("ValidityPeriod", "Years"), pair("ValidityPeriodUnits", "2147483647")), year},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := mustRead(t, Settings{RequestedValidity: true}, test.draft)
			if got := r.Validity(year); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	t.Run("unless it is not switched on", func(t *testing.T) {
		if got := mustRead(t, Settings{}, windows).Validity(year); got != year {
			t.Errorf("%s", got)
		}
	})
}

func TestRequestedValidityThatCannotBeReadIsRefused(t *testing.T) {
	for what, d := range map[string]draft{
		"no number":       pairs(pair("ValidityPeriod", "Years")),
		"no unit":         pairs(pair("ValidityPeriodUnits", "1")),
		"unknown unit":    pairs(pair("ValidityPeriod", "Moons"), pair("ValidityPeriodUnits", "1")),
		"negative number": pairs(pair("ValidityPeriod", "Years"), pair("ValidityPeriodUnits", "-1")),
		"zero":            pairs(pair("ValidityPeriod", "Years"), pair("ValidityPeriodUnits", "0")),
		"huge number":     pairs(pair("ValidityPeriod", "Years"), pair("ValidityPeriodUnits", "99999999999999999999")),
		"a moment":        pairs(pair("ValidityPeriod", "Seconds"), pair("ValidityPeriodUnits", "1")),
		"two numbers":     pairs(pair("ValidityPeriod", "Days"), pair("ValidityPeriodUnits", "1"), pair("ValidityPeriodUnits", "2")),
		"three parts":     pairs(tlv(0x30, bmpString("a"), bmpString("b"), bmpString("c"))),
		"one part":        pairs(tlv(0x30, bmpString("a"))),
		"no text":         pairs(tlv(0x30, tlv(2, []byte{1}), bmpString("a"))),
		"no pair":         pairs([]byte{5, 0}),
	} {
		t.Run(what, func(t *testing.T) { refused(t, Settings{RequestedValidity: true}, d.der(t), "") })
	}
}

// adcsSID is the extension of a certificate that Microsoft's CA issued, in the
// form that certutil prints.
var adcsSID = append([]byte{
	0x30, 0x3f, 0xa0, 0x3d, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x19, 0x02, 0x01, 0xa0, 0x2f, 0x04, 0x2d},
	"S-1-5-21-666199682-1411342147-2938717855-1001"...)

func TestSIDExtensionComesFromTheURIOnly(t *testing.T) {
	uri := func(sid string) []byte { return uriName("tag:microsoft.com,2022-09-14:sid:" + sid) }
	const sid = "S-1-5-21-666199682-1411342147-2938717855-1001"
	on := Settings{SIDFromSAN: true}
	d := draft{}.sans(t, upn("alice@contoso.example"), uri(sid)).ext(oidSIDExtension, false, forgedSID(t))

	r, issued := issue(t, on, d, DefaultTemplate)
	extension := extensionOf(issued, oidSIDExtension)
	if extension == nil || extension.Critical || !bytes.Equal(extension.Value, adcsSID) {
		t.Errorf("%+v, want %x", extension, adcsSID)
	}
	_, template := defaultCertificate(t, on, d)
	replace(oidSIDExtension, forgedSID(t))(template)
	if r.Check(template) == nil {
		t.Error("the forged extension passed in place of ours")
	}

	for what, d := range map[string]draft{
		"no URI":             draft{}.sans(t, upn("alice@contoso.example")).ext(oidSIDExtension, false, forgedSID(t)),
		"another URI":        draft{}.sans(t, uriName("tag:microsoft.com,2022-09-15:sid:"+sid)),
		"the text as a name": draft{}.sans(t, dnsName("tag:microsoft.com,2022-09-14:sid:"+sid)),
	} {
		if _, issued := issue(t, on, d, DefaultTemplate); extensionOf(issued, oidSIDExtension) != nil {
			t.Errorf("%s: an extension out of nothing", what)
		}
	}
	if _, issued := issue(t, Settings{}, d, DefaultTemplate); extensionOf(issued, oidSIDExtension) != nil {
		t.Error("an extension although it is not switched on")
	}

	for what, names := range map[string][][]byte{
		"no SID":         {uri("")},
		"not a SID":      {uri("S-1-5-x")},
		"a SID and more": {uri(sid + " ")},
		"many parts":     {uri("S-1-5" + strings.Repeat("-1", 16))},
		"revision 2":     {uri("S-2-5-21-1")},
		"leading zeros":  {uri("S-1-5-021-1")},
		"two SIDs":       {uri(sid), uri("S-1-5-21-1-2-3-500")},
	} {
		t.Run(what, func(t *testing.T) {
			refused(t, on, draft{}.sans(t, names...).der(t), "SID")
			mustRead(t, Settings{}, draft{}.sans(t, names...))
		})
	}
}

func TestUsagesKeepTheirIdentifiers(t *testing.T) {
	custom := stdasn1.ObjectIdentifier{2, 999, 2147483647}
	d := draft{}.ext(oidExtKeyUsage, false, ekuValue(t, custom, ipsecTunnel,
		stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 10, 3, 4}))
	_, issued := issue(t, Settings{}, d, DefaultTemplate)
	got := map[string]bool{}
	for _, oid := range issued.UnknownExtKeyUsage {
		got[oid.String()] = true
	}
	if len(got) != 2 || !got["2.999.2147483647"] || !got["1.3.6.1.4.1.311.10.3.4"] ||
		!slices.Equal(issued.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageIPSECTunnel}) {
		t.Errorf("%v %v", issued.ExtKeyUsage, issued.UnknownExtKeyUsage)
	}
}
