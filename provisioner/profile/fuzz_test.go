package profile

import (
	"bytes"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// FuzzRead throws bytes at the parser, signed by nobody.
func FuzzRead(f *testing.F) {
	for _, d := range seeds(f) {
		f.Add(d.der(f))
	}
	f.Add(recordedRequest(f))
	profiles := []*Profile{
		mustProfile(f, Settings{}),
		mustProfile(f, Settings{SIDFromSAN: true, RequestedValidity: true, UnknownSANs: "refuse"}),
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, p := range profiles {
			r, err := p.read(der)
			if err != nil {
				continue
			}
			if !bytes.Contains(der, r.RawSubject) || r.keyUsage == 0 || r.keyUsage&^deviceKeyUsage != 0 || len(r.usages) == 0 {
				t.Errorf("%+v", r)
			}
			for _, san := range r.SANs {
				if san.Type == "" || !bytes.Contains(der, san.raw) || strings.ContainsFunc(san.Value, isControlOrFormat) {
					t.Errorf("name %+v", san)
				}
			}
			r.TemplateData()
		}
	})
}

func isControlOrFormat(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// seeds are requests that are granted, each with something of its own.
func seeds(t testing.TB) []draft {
	return []draft{
		{challenge: "secret"},
		askedFor(t),
		draft{subject: name(t)}.sans(t, upn("alice@contoso.example"), tlv(0x88, []byte{0x2a, 3})),
		draft{subject: name(t, rdn{cn("a"), {oidCommonName, bmpString("b")}}, rdn{{oidCommonName, tlv(0x16, []byte("c"))}})}.
			ext(oidKeyUsage, true, kuValue(0xf8)).ext(oidBasicConstraints, true, tlv(0x30)),
		draft{}.sans(t, uriName(sidPrefix+"S-1-5-21-1-2-3-1001")).ext(oidExtKeyUsage, false, ekuValue(t, smartCardLogon, ipsecTunnel, clientAuth)),
		pairs(pair("ValidityPeriod", "Months"), pair("ValidityPeriodUnits", "3")),
	}
}

// FuzzIssue lets the fuzzer put a request together, which is then signed,
// rendered through step-ca's template engine and issued. Whatever it builds:
// the certificate is no CA and has no usage outside the profile, no name that
// the request lacks, the request's key and subject. The certificate is judged
// with encoding/asn1 and crypto/x509 and none of the code under test.
func FuzzIssue(f *testing.F) {
	f.Add(name(f, rdn{cn("device")})[2:], concat(f, dnsName("a.example"))[2:], kuValue(0xa0), ekuValue(f, clientAuth)[2:], []byte{5, 0}, uint16(0))
	f.Add([]byte{}, concat(f, upn("a@b.example"), tlv(0x88, []byte{0x2a, 3}))[2:], kuValue(0x84), ekuValue(f, oidAnyUsage)[2:], tlv(0x30, []byte{1, 1, 0xff}), uint16(0x1f))
	f.Add(name(f, rdn{cn("a"), cn("b")})[2:], concat(f, uriName(sidPrefix+"S-1-5-21-1-2-3-1001"))[2:], kuValue(0xf8), ekuValue(f, smartCardLogon, ipsecTunnel)[2:], forgedSID(f), uint16(0x2f))
	f.Add(name(f, rdn{{oidCommonName, bmpString("a")}})[2:], concat(f, tlv(0x87, []byte{1, 2, 3, 4}), emailName("a@b.example"))[2:], kuValue(0x80), ekuValue(f, oidCodeSigning)[2:], []byte{0x30, 0}, uint16(0x3f))

	for _, u := range []stdasn1.ObjectIdentifier{oidMSCode, oidMSCommCode, oidMSKernelCode} {
		f.Add(name(f, rdn{cn("device")})[2:], concat(f, dnsName("a.example"))[2:], kuValue(0xa0), ekuValue(f, clientAuth, u)[2:], []byte{5, 0}, uint16(0))
	}
	f.Add(name(f, rdn{cn("a\x1b[2J\nb")})[2:], concat(f, upn("a\u202e@b.example"))[2:], kuValue(0xa0), ekuValue(f, clientAuth)[2:], []byte{5, 0}, uint16(0))

	settings := []Settings{{}, {SIDFromSAN: true}, {UnknownSANs: "refuse", RequestedValidity: true}, {AllowExtKeyUsage: []string{"clientAuth", "1.2.3"}}}
	others := []stdasn1.ObjectIdentifier{oidBasicConstraints, oidSIDExtension, oidPolicies, oidNameConstraints, oidApplicationPolicies, oidNetscapeCertType, oidSAN, oidKeyUsage}
	f.Fuzz(func(t *testing.T, subject, names, ku, eku, other []byte, choices uint16) {
		choice := func(n int) int { c := int(choices) % n; choices /= uint16(n); return c }
		s := settings[choice(len(settings))]
		d := draft{subject: tlv(0x30, subject)}
		if choice(2) == 0 {
			d = d.ext(oidSAN, choice(2) == 1, tlv(0x30, names))
		}
		if choice(2) == 0 {
			d = d.ext(oidKeyUsage, choice(2) == 1, ku)
		}
		if choice(2) == 0 {
			d = d.ext(oidExtKeyUsage, false, tlv(0x30, eku))
		}
		if choice(2) == 1 {
			d = d.ext(others[choice(len(others))], choice(2) == 1, other)
		}
		der := d.der(t)
		r, err := mustProfile(t, s).Read(der)
		if err != nil {
			return
		}
		template, err := render(t, DefaultTemplate, r.TemplateData(), der)
		if err != nil {
			t.Fatalf("what was approved cannot be rendered: %v", err)
		}
		if err := FillNames(template); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(template); err != nil {
			t.Fatalf("what was approved does not pass: %v", err)
		}
		issued := ca().sign(t, template)
		if err := CheckIssued(template, issued); err != nil {
			t.Fatal(err)
		}
		judge(t, s, der, issued)

		// A template that copies the request either is stopped or does no harm.
		copied, err := render(t, `{{ toJson .Insecure.CR }}`, nil, der)
		if err != nil {
			return
		}
		copied.KeyUsage, copied.ExtKeyUsage = r.keyUsage, template.ExtKeyUsage
		if r.Check(copied) == nil {
			judge(t, s, der, ca().sign(t, copied))
		}
	})
}

func judge(t *testing.T, s Settings, der []byte, issued *x509.Certificate) {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	if issued.IsCA || issued.KeyUsage == 0 || issued.KeyUsage&^deviceKeyUsage != 0 {
		t.Errorf("CA %t, key usage %v", issued.IsCA, issued.KeyUsage)
	}
	if !deviceKey().PublicKey.Equal(issued.PublicKey) || !bytes.Equal(request.RawSubject, issued.RawSubject) {
		t.Errorf("key or subject %x", issued.RawSubject)
	}

	for _, n := range issued.Subject.Names {
		if text, ok := n.Value.(string); ok && strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("subject %q", text)
		}
	}

	asked := extensionElements(t, request.Extensions, oidSAN)
	got := extensionElements(t, issued.Extensions, oidSAN)
	for _, name := range got {
		if !slices.ContainsFunc(asked, func(a []byte) bool { return bytes.Equal(a, name) }) {
			t.Errorf("name %q was not asked for in %q", name, asked)
		}
	}
	usages := extensionElements(t, request.Extensions, oidExtKeyUsage)
	if usages == nil {
		usages = [][]byte{oidDER(clientAuth)}
	}
	granted := extensionElements(t, issued.Extensions, oidExtKeyUsage)
	if granted == nil {
		t.Error("no extended key usage")
	}
	forbidden := [][]byte{oidDER(oidAnyUsage), oidDER(oidCodeSigning), oidDER(oidTimeStamping), oidDER(oidOCSPSigning),
		oidDER(oidMSCode), oidDER(oidMSCommCode), oidDER(oidMSKernelCode)}
	for _, u := range granted {
		same := func(a []byte) bool { return bytes.Equal(a, u) }
		if !slices.ContainsFunc(usages, same) || slices.ContainsFunc(forbidden, same) {
			t.Errorf("extended key usage %x", u)
		}
	}
	allowed := map[string]bool{
		"1.3.6.1.4.1.37476.9000.64.1": true, "2.5.29.14": true, "2.5.29.15": true, "2.5.29.17": true,
		"2.5.29.19": true, "2.5.29.35": true, "2.5.29.37": true, oidSIDExtension.String(): s.SIDFromSAN,
	}
	for _, e := range issued.Extensions {
		if !allowed[e.Id.String()] {
			t.Errorf("extension %s", e.Id)
		}
	}
	if e := extensionOf(issued, oidSIDExtension); e != nil && !bytes.Contains(bytes.Join(asked, nil), append([]byte(sidPrefix), e.Value[bytes.Index(e.Value, []byte("S-1-")):]...)) {
		t.Errorf("SID %q from nowhere", e.Value)
	}
}

func TestGrantedRequestsStandUpToTheSameJudge(t *testing.T) {
	for _, d := range seeds(t) {
		_, issued := issue(t, Settings{}, d, DefaultTemplate)
		judge(t, Settings{}, d.der(t), issued)
	}
}
