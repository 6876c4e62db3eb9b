package profile

import (
	"bytes"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

var (
	ipsecTunnel    = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 6}
	clientAuth     = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	smartCardLogon = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
)

func TestDefaultTemplateCarriesWhatADeviceAsksFor(t *testing.T) {
	subject := name(t,
		rdn{{stdasn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, tlv(0x16, []byte("example"))}},
		rdn{{stdasn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, tlv(0x16, []byte("contoso"))}},
		rdn{cn("Users")},
		rdn{{stdasn1.ObjectIdentifier{2, 5, 4, 5}, tlv(0x13, []byte("351234567890123"))},
			{stdasn1.ObjectIdentifier{2, 5, 4, 12}, utf8String("Dr")}},
		rdn{{stdasn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, utf8String("alice")}},
		rdn{{stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, tlv(0x16, []byte("Alice@Contoso.example"))}},
		rdn{{oidCommonName, bmpString("Alice Müller")}},
	)
	names := [][]byte{
		upn("Alice@Contoso.example"),
		uriName("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1001"),
		dnsName("Device-0001.Contoso.example"),
		emailName("Alice@Contoso.example"),
		uriName("IntuneDeviceId://8a2c2c04-0000-4000-8000-0123456789ab"),
		tlv(0x87, []byte{192, 0, 2, 1}),
	}
	d := draft{subject: subject, challenge: "secret"}.sans(t, names...).
		ext(oidKeyUsage, true, kuValue(0xa0)).
		ext(oidExtKeyUsage, false, ekuValue(t, clientAuth, smartCardLogon))
	_, issued := issue(t, Settings{}, d, DefaultTemplate)

	if !bytes.Equal(issued.RawSubject, subject) {
		t.Errorf("subject %x, asked for %x", issued.RawSubject, subject)
	}
	san := extensionOf(issued, oidSAN)
	if san == nil || san.Critical || !bytes.Equal(san.Value, concat(t, names...)) {
		t.Errorf("subject alternative names %+v, asked for %x", san, concat(t, names...))
	}
	if want := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment; issued.KeyUsage != want {
		t.Errorf("key usage %v, want %v", issued.KeyUsage, want)
	}
	if eku := extensionOf(issued, oidExtKeyUsage); eku == nil || !bytes.Equal(eku.Value, ekuValue(t, clientAuth, smartCardLogon)) {
		t.Errorf("extended key usage %+v", eku)
	}
	if issued.IsCA || issued.BasicConstraintsValid {
		t.Error("basic constraints where none belong")
	}
	var got []string
	for _, e := range issued.Extensions {
		got = append(got, e.Id.String())
	}
	slices.Sort(got)
	want := []string{"1.3.6.1.4.1.37476.9000.64.1", "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.35", "2.5.29.37"}
	if !slices.Equal(got, want) {
		t.Errorf("extensions %v, want %v", got, want)
	}
}

func TestRequestWithoutUsagesGetsTheDefaults(t *testing.T) {
	_, issued := issue(t, Settings{}, draft{}, DefaultTemplate)
	if issued.KeyUsage != defaultKeyUsage {
		t.Errorf("key usage %v", issued.KeyUsage)
	}
	if !slices.Equal(issued.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) || issued.UnknownExtKeyUsage != nil {
		t.Errorf("extended key usage %v %v", issued.ExtKeyUsage, issued.UnknownExtKeyUsage)
	}
	if extensionOf(issued, oidSAN) != nil {
		t.Error("names invented")
	}

	_, issued = issue(t, Settings{ExtKeyUsage: []string{"ipsecTunnel", "smartCardLogon"}}, draft{}, DefaultTemplate)
	if eku := extensionOf(issued, oidExtKeyUsage); !bytes.Equal(eku.Value, ekuValue(t, ipsecTunnel, smartCardLogon)) {
		t.Errorf("extended key usage %x", eku.Value)
	}
}

func TestEmptySubjectMakesTheNamesCritical(t *testing.T) {
	_, issued := issue(t, Settings{}, draft{subject: name(t)}.sans(t, upn("alice@contoso.example")), DefaultTemplate)
	if san := extensionOf(issued, oidSAN); san == nil || !san.Critical {
		t.Errorf("%+v", san)
	}
	if !bytes.Equal(issued.RawSubject, []byte{0x30, 0}) {
		t.Errorf("subject %x", issued.RawSubject)
	}
}

func TestRecordedRequestIsGranted(t *testing.T) {
	r, err := mustProfile(t, Settings{SIDFromSAN: true, UnknownSANs: "refuse", RequestedValidity: true}).Read(recordedRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, san := range r.SANs {
		names = append(names, san.Type+" "+san.Value)
	}
	want := []string{"userPrincipalName alice@contoso.example", "dns device-0001.contoso.example",
		"email alice@contoso.example", "uri tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1001"}
	if !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	if r.sid != "S-1-5-21-1-2-3-1001" || r.keyUsage != defaultKeyUsage || !slices.Equal(r.usages, []usage{usageClientAuth, "1.3.6.1.4.1.311.20.2.2"}) || r.Dropped != nil {
		t.Errorf("%+v", r)
	}
}

func TestTemplateDataAreTheSameAfterAWebhook(t *testing.T) {
	data := mustRead(t, Settings{SIDFromSAN: true, CRLDistributionPoints: []string{"http://a.example"}}, askedFor(t)).TemplateData()
	wire, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	var received map[string]any
	if err := json.Unmarshal(wire, &received); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(data, received) {
		t.Errorf("sent %#v, received %#v", data, received)
	}
}
