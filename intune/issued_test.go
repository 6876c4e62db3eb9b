package intune

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// issuerName is what "openssl x509 -issuer -nameopt RFC2253,-esc_msb,utf8"
// prints, but for the two values of one part, whose order RFC 2253 leaves open.
const issuerName = `CN=\ Issuing \<CA\>\;=\ ,L=Ulm+OU=\#1 Team,O=Müller\, Söhne \+ Co \"KG\",C=DE,DC=example,DC=com`

func readCertificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile("testdata/certificates/" + name)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestFactsOfACertificateAreThoseThatOpenSSLPrints knows them from openssl.
func TestFactsOfACertificateAreThoseThatOpenSSLPrints(t *testing.T) {
	for name, want := range map[string]certificateFacts{
		"leading-zero.pem": {"0E0BEF469FDBB8D07576A02E0A5F5E22B3915DB8", "0123456789ABCDEF", "2027-11-22T18:18:25.000Z", issuerName},
		"sign-byte.pem":    {"226F56A3015A82FC598E486084EC8B5D2ED93585", "F0A1B2C3D4E5F60718293A4B5C6D7E8F", "2027-11-22T18:18:31.000Z", issuerName},
	} {
		got, err := Issued{Certificate: readCertificate(t, name)}.facts()
		if err != nil || got != want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

func TestTimesAreUTCWithMillisecondsAndZ(t *testing.T) {
	at := time.Date(2027, 6, 11, 18, 11, 20, 90_477_800, time.FixedZone("CEST", 2*3600))
	if got := formatTime(at); got != "2027-06-11T16:11:20.090Z" {
		t.Errorf("got %s", got)
	}
}

func TestNamesFollowRFC2253(t *testing.T) {
	set := func(oid asn1.ObjectIdentifier, v any) []byte {
		der, err := asn1.Marshal([][]struct {
			Type  asn1.ObjectIdentifier
			Value any
		}{{{oid, v}}})
		if err != nil {
			t.Fatal(err)
		}
		der[2] = 0x31 // the part is a SET
		return der
	}
	for _, test := range []struct {
		der  []byte
		want string
	}{
		{set(asn1.ObjectIdentifier{2, 5, 4, 3}, "plain"), "CN=plain"},
		{set(asn1.ObjectIdentifier{2, 5, 4, 3}, "a#b c"), "CN=a#b c"},
		{set(asn1.ObjectIdentifier{2, 5, 4, 3}, `\`), `CN=\\`},
		{set(asn1.ObjectIdentifier{2, 5, 4, 5}, "42"), "2.5.4.5=#13023432"},
		{set(asn1.ObjectIdentifier{2, 5, 4, 3}, 7), "CN=#020107"},
		{[]byte{0x30, 0}, ""},
	} {
		if got, err := DistinguishedName(test.der); err != nil || got != test.want {
			t.Errorf("got %q, %v, want %q", got, err, test.want)
		}
	}
	if _, err := DistinguishedName([]byte{0x30, 0, 0}); err == nil {
		t.Error("trailing bytes are taken")
	}
}

func TestACertificateThatIsNotOneIsRefusedBeforeAnythingIsSent(t *testing.T) {
	csr, _ := recordedCSR(t)
	s := &stub{}
	client := newStubClient(t, s)
	nameless := *readCertificate(t, "sign-byte.pem")
	nameless.RawIssuer = []byte{0x30, 0}
	numberless := *readCertificate(t, "sign-byte.pem")
	numberless.SerialNumber = new(big.Int)
	for _, cert := range []*x509.Certificate{nil, {}, &nameless, &numberless} {
		if _, err := client.SendSuccessNotification(t.Context(), "tx", csr, Issued{Certificate: cert}); err == nil {
			t.Error("no error")
		}
	}
	if len(s.seen()) != 0 {
		t.Errorf("%v", s.seen())
	}
}

func TestDescriptionsAreCutTo255CharactersAndStayWhole(t *testing.T) {
	for name, in := range map[string]string{
		"ASCII":               strings.Repeat("x", 300),
		"two bytes each":      strings.Repeat("ü", 300),
		"two UTF-16 units":    strings.Repeat("😀", 300),
		"at the edge":         strings.Repeat("x", 254) + "😀",
		"not UTF-8":           strings.Repeat("x\xff", 300),
		"short enough":        "short",
		"exactly long enough": strings.Repeat("ü", 255),
	} {
		got := cutDescription(in)
		units := len(utf16.Encode([]rune(got)))
		if !utf8.ValidString(got) || units > 255 || units < min(254, len(utf16.Encode([]rune(in)))) {
			t.Errorf("%s: %d units, valid %t", name, units, utf8.ValidString(got))
		}
		if units < 254 && got != in {
			t.Errorf("%s: cut needlessly", name)
		}
	}
}

func TestHResultsHaveTheValuesOfMSERREF(t *testing.T) {
	for h, want := range map[HResult]string{
		HResultUnexpected:      "0x8000FFFF (E_UNEXPECTED)",
		HResultFail:            "0x80004005 (E_FAIL)",
		HResultAccessDenied:    "0x80070005 (E_ACCESSDENIED)",
		HResultInvalidArgument: "0x80070057 (E_INVALIDARG)",
		HResultTimeout:         "0x800705B4 (ERROR_TIMEOUT)",
		HResultCryptoFailure:   "0x80090020 (NTE_FAIL)",
		HResultBadSubject:      "0x80094001 (CERTSRV_E_BAD_REQUESTSUBJECT)",
		HResultPolicyDenied:    "0x80094012 (CERTSRV_E_TEMPLATE_DENIED)",
		HResultKeyLength:       "0x80094811 (CERTSRV_E_KEY_LENGTH)",
		HResultInvalidName:     "0x800B0114 (CERT_E_INVALID_NAME)",
		HResult(1):             "0x00000001",
	} {
		if got := h.String(); got != want {
			t.Errorf("%d is %s, want %s", h, got, want)
		}
	}
	if HResultUnexpected != -2147418113 {
		t.Error("E_UNEXPECTED is not the number that Microsoft's sample sends")
	}
}
