package profile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidCodeSigning  = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidTimeStamping = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidOCSPSigning  = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
	oidAnyUsage     = stdasn1.ObjectIdentifier{2, 5, 29, 37, 0}
	oidMSCode       = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 21}
	oidMSCommCode   = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 22}
	oidMSKernelCode = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 61, 1, 1}
	oidCustom       = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

// forgedSID is a well-formed SID extension that a device made up.
func forgedSID(t testing.TB) []byte {
	extension, err := sidExtension("S-1-5-21-1-2-3-500")
	if err != nil {
		t.Fatal(err)
	}
	return extension.Value
}

func TestHostileRequestsAreRefused(t *testing.T) {
	long := strings.Repeat
	manyNames := func(n int) draft {
		var names [][]byte
		for i := range n {
			names = append(names, dnsName(fmt.Sprintf("n%d.example", i)))
		}
		return draft{}.sans(t, names...)
	}
	upnOf := func(value []byte) draft { return draft{}.sans(t, otherName(oidUPN, value)) }
	caTrue := tlv(0x30, []byte{1, 1, 0xff})

	tests := []struct {
		name   string
		draft  draft
		reason string
	}{
		{"CA:TRUE", draft{}.ext(oidBasicConstraints, true, caTrue), "of a CA"},
		{"CA:TRUE with a path length", draft{}.ext(oidBasicConstraints, false, tlv(0x30, []byte{1, 1, 0xff, 2, 1, 0})), "of a CA"},
		{"CA:FALSE with a path length", draft{}.ext(oidBasicConstraints, false, tlv(0x30, []byte{2, 1, 0})), "more than CA:FALSE"},
		{"CA written as a boolean of 1", draft{}.ext(oidBasicConstraints, false, tlv(0x30, []byte{1, 1, 1})), "not DER"},

		{"keyCertSign", draft{}.ext(oidKeyUsage, true, kuValue(0x84)), "[certSign] is not for devices"},
		{"cRLSign", draft{}.ext(oidKeyUsage, true, kuValue(0x82)), "[crlSign]"},
		{"encipherOnly", draft{}.ext(oidKeyUsage, true, kuValue(0x09)), "[encipherOnly]"},
		{"decipherOnly", draft{}.ext(oidKeyUsage, true, kuValue(0x08, 0x80)), "[decipherOnly]"},
		{"a key usage without meaning", draft{}.ext(oidKeyUsage, true, kuValue(0x80, 0x40)), "bit 9 has no meaning"},
		{"no key usage at all", draft{}.ext(oidKeyUsage, true, kuValue(0)), "no bit is set"},
		{"key usage with bytes after it", draft{}.ext(oidKeyUsage, true, append(kuValue(0xa0), 0)), "not a bit string"},

		{"code signing", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, oidCodeSigning)), "codeSigning"},
		{"code signing behind client authentication", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, clientAuth, oidCodeSigning)), "codeSigning"},
		{"time stamping", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, oidTimeStamping)), "timeStamping"},
		{"OCSP signing", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, oidOCSPSigning)), "ocspSigning"},
		{"any extended key usage", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, oidAnyUsage)), "any (2.5.29.37.0)"},
		{"Microsoft's individual code signing", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, oidMSCode)), "1.3.6.1.4.1.311.2.1.21"},
		{"Microsoft's commercial code signing", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, clientAuth, oidMSCommCode)), "microsoftCommercialCodeSigning"},
		{"Microsoft's kernel code signing", draft{}.ext(oidExtKeyUsage, false, ekuValue(t, oidMSKernelCode, clientAuth)), "microsoftKernelCodeSigning"},
		{"an extended key usage of no usages", draft{}.ext(oidExtKeyUsage, false, tlv(0x30)), "extended key usage: empty"},
		{"an extended key usage that overflows 64 bits", draft{}.ext(oidExtKeyUsage, false,
			tlv(0x30, tlv(6, []byte{0x2b, 0x86, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}))), "not an object identifier"},
		{"an extended key usage that overflows 32 bits", draft{}.ext(oidExtKeyUsage, false,
			tlv(0x30, tlv(6, []byte{0x2b, 0x90, 0x80, 0x80, 0x80, 0x02}))), "not an object identifier"},
		{"an extended key usage with a padded arc", draft{}.ext(oidExtKeyUsage, false,
			tlv(0x30, tlv(6, []byte{0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x80, 0x02}))), "not an object identifier"},
		{"more extended key usages than anyone needs", draft{}.ext(oidExtKeyUsage, false,
			bytes.Join([][]byte{tlv(0x30, bytes.Repeat(oidDER(clientAuth), 40))}, nil)), "more than 32 usages"},

		{"names twice", draft{}.sans(t, dnsName("a.example")).sans(t, dnsName("b.example")), "extension 2.5.29.17 appears twice"},
		{"an unknown critical extension", draft{}.ext(oidCustom, true, []byte{5, 0}), "is critical"},
		{"a critical forged SID", draft{}.ext(oidSIDExtension, true, forgedSID(t)), "is critical"},
		{"critical name constraints", draft{}.ext(oidNameConstraints, true, tlv(0x30)), "is critical"},
		{"a critical boolean that is not DER", draft{attributes: [][]byte{attribute(t, oidExtensionRequest,
			tlv(0x30, tlv(0x30, oidDER(oidCustom), []byte{1, 1, 1}, tlv(4, []byte{5, 0}))))}}, "an extension is not DER"},
		{"more extensions than anyone needs", manyExtensions(40), "more than 32 extensions"},

		{"10,000 names", manyNames(10_000), "more than 32768 bytes"},
		{"101 names", manyNames(101), "more than 100 names"},
		{"names of 20 kB", draft{}.sans(t, dnsName(long("a", 20_000))), "more than 16384 bytes"},
		{"no names in the list of names", draft{}.sans(t), "names: empty"},
		{"an empty DNS name", draft{}.sans(t, dnsName("")), "an empty dns name"},
		{"an empty e-mail address", draft{}.sans(t, emailName("")), "an empty email name"},
		{"NUL in a DNS name", draft{}.sans(t, dnsName("good.example\x00.evil.example")), "not printable ASCII"},
		{"newline in an e-mail address", draft{}.sans(t, emailName("a@b.example\nX")), "not printable ASCII"},
		{"UTF-8 in a DNS name", draft{}.sans(t, dnsName("bücher.example")), "not printable ASCII"},
		{"a URI that is none", draft{}.sans(t, uriName("http://[::1")), "cannot be parsed"},
		{"a URI that Go's certificate parser refuses", draft{}.sans(t, uriName("https://a..example/")), "step-ca can read"},
		{"an IP address of 5 bytes", draft{}.sans(t, tlv(0x87, []byte{1, 2, 3, 4, 5})), "an IP address of 5 bytes"},
		{"an IP network", draft{}.sans(t, tlv(0x87, []byte{10, 0, 0, 0, 255, 0, 0, 0})), "an IP address of 8 bytes"},
		{"a user principal name of a wrong type", upnOf(tlv(0x16, []byte("a@b.example"))), "not a UTF8String"},
		{"a user principal name with something after it", upnOf(append(utf8String("a@b.example"), utf8String("c")...)), "not a UTF8String"},
		{"NUL in a user principal name", upnOf(utf8String("a@b.example\x00")), "not plain text"},
		{"a user principal name that is read backwards", upnOf(utf8String("a@b.example\u202ecod")), "not plain text"},
		{"a user principal name with a mark of direction", upnOf(utf8String("a\u200e@b.example")), "not plain text"},
		{"a user principal name with a space that nobody sees", upnOf(utf8String("al\u200bice@b.example")), "not plain text"},
		{"a user principal name that begins with a byte order mark", upnOf(utf8String("\ufeffalice@b.example")), "not plain text"},
		{"a user principal name of two lines", upnOf(utf8String("a\u2028@b.example")), "not plain text"},
		{"newline in a user principal name", upnOf(utf8String("a\n@b.example")), "not plain text"},
		{"UTF-8 that nobody sees in an e-mail address", draft{}.sans(t, emailName("al\u200bice@b.example")), "not printable ASCII"},
		{"UTF-8 that turns a URI around", draft{}.sans(t, uriName("https://a.example/\u202e")), "not printable ASCII"},
		{"a user principal name that is not UTF-8", upnOf(utf8String("a\xff@b.example")), "not plain text"},
		{"an empty user principal name", upnOf(utf8String("")), "empty"},
		{"an otherName with bytes after its value", draft{}.sans(t, tlv(0xa0, oidDER(oidCustom), tlv(0xa0, utf8String("x")), []byte{5, 0})), "not DER"},
		{"a DNS name in constructed form", draft{}.sans(t, tlv(0xa2, tlv(0x16, []byte("a.example")))), "tag 0xa2"},
		{"a name of a tag that does not exist", draft{}.sans(t, tlv(0x89, []byte("x"))), "tag 0x89"},
		{"a name of a universal tag", draft{}.sans(t, tlv(0x16, []byte("x"))), "tag 0x16"},
		{"names with bytes after the list", draft{}.ext(oidSAN, false, append(concat(t, dnsName("a.example")), 5, 0)), "bytes after the sequence"},

		{"a subject of 64 kB", draft{subject: name(t, rdn{cn(long("a", 64<<10))})}, "more than 32768 bytes"},
		{"a subject of 9 kB", draft{subject: name(t, rdn{cn(long("a", 9000))})}, "subject: more than 8192 bytes"},
		{"a subject of 65 attributes", draft{subject: manyAttributes(t, 65)}, "more than 64 attributes"},
		{"NUL in the common name", draft{subject: name(t, rdn{cn("a\x00b")})}, "holds a NUL or another control character"},
		{"NUL in a common name of 16 bit characters", draft{subject: name(t, rdn{{oidCommonName, bmpString("a\x00")}})}, "holds a NUL or another control character"},
		{"newline in the common name", draft{subject: name(t, rdn{cn("a\nCN=b")})}, "holds a NUL or another control character"},
		{"an escape sequence in the organisation", draft{subject: name(t, rdn{cn("a")}, rdn{{stdasn1.ObjectIdentifier{2, 5, 4, 10}, utf8String("\x1b[2J")}})}, "attribute 2.5.4.10 holds a NUL or another control character"},
		{"an escape of 8 bits in Latin-1", draft{subject: name(t, rdn{{oidCommonName, tlv(0x14, []byte("a\x9b2J"))}})}, "holds a NUL or another control character"},
		{"newline in a common name of 7 bit characters", draft{subject: name(t, rdn{{oidCommonName, tlv(0x16, []byte("a\r\nb"))}})}, "holds a NUL or another control character"},
		{"half a character in the common name", draft{subject: name(t, rdn{{oidCommonName, tlv(0x1e, []byte{0})}})}, "not text"},
		{"a common name of UTF-16 surrogates", draft{subject: name(t, rdn{{oidCommonName, tlv(0x1e, []byte{0xd8, 0x3d, 0xde, 0x00})}})}, "not text"},
		{"a common name of 32 bit characters, which policies cannot read", draft{subject: name(t, rdn{{oidCommonName, tlv(0x1c, []byte{0, 0, 0, 'a'})}})}, "not text"},
		{"a common name that is a number", draft{subject: name(t, rdn{{oidCommonName, tlv(2, []byte{1})}})}, "not text"},
		{"a common name that is not UTF-8", draft{subject: name(t, rdn{cn("\xff")})}, "not text"},
		{"an empty set in the subject", draft{subject: tlv(0x30, tlv(0x31))}, "subject: not DER"},
		{"neither subject nor names", draft{subject: name(t)}, "neither a subject nor"},
		{"no subject and only names that are dropped", draft{subject: name(t)}.sans(t, tlv(0x88, []byte{0x2a, 3})), "neither a subject nor"},

		{"two lists of extensions", draft{}.sans(t, dnsName("a.example")).
			attr(attribute(t, oidExtensionRequest, extensionList(t, draft{}.sans(t, dnsName("b.example")).extensions))), "more than one list"},
		{"two values in the list of extensions", draft{attributes: [][]byte{attribute(t, oidExtensionRequest,
			extensionList(t, draft{}.sans(t, dnsName("a.example")).extensions), extensionList(t, draft{}.sans(t, dnsName("b.example")).extensions))}}, "more than one list"},
		{"Microsoft's old attribute of extensions", draft{}.attr(attribute(t, oidOldExtensions, tlv(0x30))), "old attribute"},
		{"two challenge passwords", draft{challenge: "one"}.attr(attribute(t, oidChallengePassword, utf8String("two"))), "more than one challenge"},
		{"two values in the challenge password", draft{}.attr(attribute(t, oidChallengePassword, utf8String("one"), utf8String("two"))), "more than one challenge"},
		{"a challenge password that is a number", draft{}.attr(attribute(t, oidChallengePassword, tlv(2, []byte{1}))), "not text"},
		{"a challenge of 1 MB", draft{challenge: long("a", 1<<20)}, "more than 32768 bytes"},
		{"an attribute without values", draft{}.attr(attribute(t, oidCustom)), "an attribute is not DER"},
		{"an attribute with bytes after it", draft{}.attr(tlv(0x30, oidDER(oidCustom), tlv(0x31, []byte{5, 0}), []byte{5, 0})), "an attribute is not DER"},
		{"more attributes than anyone needs", manyCustom(t, 40), "more than 32 attributes"},
		{"bytes after the request", draft{trailer: []byte{0}}, "bytes after the sequence"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused(t, Settings{}, test.draft.der(t), test.reason)
		})
	}
}

func refused(t *testing.T, s Settings, der []byte, reason string) {
	t.Helper()
	_, err := mustProfile(t, s).Read(der)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	if !strings.Contains(refused.Reason, reason) {
		t.Errorf("refused because %q, not because %q", refused.Reason, reason)
	}
	if len(refused.Reason) > 500 {
		t.Errorf("a reason of %d bytes", len(refused.Reason))
	}
}

func manyExtensions(n int) draft {
	var d draft
	for i := range n {
		d = d.ext(append(oidCustom[:len(oidCustom):len(oidCustom)], i), false, []byte{5, 0})
	}
	return d
}

func manyAttributes(t testing.TB, n int) []byte {
	var rdns []rdn
	for range n {
		rdns = append(rdns, rdn{cn("a")})
	}
	return name(t, rdns...)
}

func manyCustom(t testing.TB, n int) draft {
	var d draft
	for range n {
		d = d.attr(attribute(t, oidCustom, []byte{5, 0}))
	}
	return d
}

func TestKeysThatAreNotFitAreRefused(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// spki is an RSA key with this modulus and exponent.
	spki := func(modulus, exponent []byte) []byte {
		return concat(t,
			concat(t, oidDER(stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}), []byte{5, 0}),
			tlv(3, []byte{0}, concat(t, tlv(2, modulus), tlv(2, exponent))))
	}
	modulus := append([]byte{0}, deviceKey().N.Bytes()...)
	even := bytes.Clone(modulus)
	even[len(even)-1] &= 0xfe

	tests := []struct {
		name   string
		draft  draft
		reason string
	}{
		{"RSA of 1024 bits", draft{key: generate(1024)}, "1024 bits, fewer than 2048"},
		{"elliptic curve", draft{key: ec}, "not RSA"},
		{"exponent 3", draft{spki: spki(modulus, []byte{3})}, "exponent is 3"},
		{"exponent 1", draft{spki: spki(modulus, []byte{1})}, "exponent is 1"},
		{"an even exponent", draft{spki: spki(modulus, []byte{1, 0, 2})}, "exponent is 65538"},
		{"an even modulus", draft{spki: spki(even, []byte{1, 0, 1})}, "modulus is even"},
		{"a modulus of 16384 bits", draft{spki: spki(append([]byte{0}, bytes.Repeat([]byte{0xff}, 2048)...), []byte{1, 0, 1})}, "more than 8192"},
		{"a negative modulus", draft{spki: spki(bytes.Repeat([]byte{0xff}, 256), []byte{1, 0, 1})}, "cannot be read"},
		{"bytes after the key's parameters", draft{spki: concat(t,
			concat(t, oidDER(stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}), []byte{5, 0}, []byte{5, 0}),
			tlv(3, []byte{0}, concat(t, tlv(2, modulus), tlv(2, []byte{1, 0, 1}))))}, "public key"},
		{"a key that did not sign", draft{spki: spki(append([]byte{0}, generate(2048).N.Bytes()...), []byte{1, 0, 1})}, "signature is not good"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused(t, Settings{}, test.draft.der(t), test.reason)
		})
	}
	t.Run("a key shorter than the operator's minimum", func(t *testing.T) {
		refused(t, Settings{MinimumKeyLength: 3072}, draft{}.der(t), "2048 bits, fewer than 3072")
	})
}

func TestBrokenEncodingsAreRefused(t *testing.T) {
	good := draft{}.der(t)
	tests := map[string][]byte{
		"nothing":                    {},
		"2 MB of zeros":              make([]byte, 2<<20),
		"an indefinite length":       append([]byte{0x30, 0x80}, good[4:]...),
		"a length of five bytes":     append([]byte{0x30, 0x85, 0xff, 0xff, 0xff, 0xff, 0xff}, good[4:]...),
		"a length that is negative":  append([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, good[4:]...),
		"a length with leading zero": append([]byte{0x30, 0x83, 0}, good[2:]...),
		"the first half":             good[:len(good)/2],
		"a certificate":              ca().certificate.Raw,
	}
	for name, der := range tests {
		t.Run(name, func(t *testing.T) { refused(t, Settings{}, der, "") })
	}
	t.Run("version 2", func(t *testing.T) {
		i := bytes.Index(good, []byte{2, 1, 0})
		changed := bytes.Clone(good)
		changed[i+2] = 1
		refused(t, Settings{}, changed, "of version 1")
	})
	t.Run("a changed subject", func(t *testing.T) {
		refused(t, Settings{}, bytes.Replace(good, []byte("device-0001"), []byte("device-0002"), 1), "signature is not good")
	})
}

// Every request here is granted, and what is dangerous in it is not.
func TestHostileRequestsAreHarmless(t *testing.T) {
	policies := concat(t, concat(t, oidDER(oidCustom)))
	d := draft{}.sans(t,
		dnsName("a.example"),
		tlv(0x88, []byte{0x2a, 3, 4}),
		tlv(0xa4, name(t, rdn{cn("somebody else")})),
		otherName(stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 2}, utf8String("krbtgt/EXAMPLE")),
		tlv(0xa5, tlv(0xa1, utf8String("edi"))),
	).
		ext(oidBasicConstraints, true, tlv(0x30)).
		ext(oidSIDExtension, false, forgedSID(t)).
		ext(oidPolicies, false, policies).
		ext(oidNameConstraints, false, tlv(0x30)).
		ext(oidApplicationPolicies, false, concat(t, concat(t, oidDER(oidCodeSigning)))).
		ext(stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, false, tlv(0x30)).
		ext(stdasn1.ObjectIdentifier{2, 5, 29, 31}, false, tlv(0x30)).
		ext(stdasn1.ObjectIdentifier{2, 5, 29, 14}, false, tlv(4, []byte("forged key id"))).
		ext(oidCustom, false, []byte{5, 0})

	r, issued := issue(t, Settings{}, d, DefaultTemplate)
	if san := extensionOf(issued, oidSAN); !bytes.Equal(san.Value, concat(t, dnsName("a.example"))) {
		t.Errorf("names %x", san.Value)
	}
	for _, oid := range []stdasn1.ObjectIdentifier{oidSIDExtension, oidPolicies, oidNameConstraints, oidApplicationPolicies, oidCustom, oidBasicConstraints} {
		if extensionOf(issued, oid) != nil {
			t.Errorf("extension %s was copied", oid)
		}
	}
	if issued.CRLDistributionPoints != nil || issued.IssuingCertificateURL != nil || bytes.Contains(issued.SubjectKeyId, []byte("forged")) {
		t.Error("an address or key id was copied")
	}
	if issued.IsCA {
		t.Error("a CA")
	}
	for _, want := range []string{"name of kind registeredID", "name of kind directoryName", "name of kind otherName 1.3.6.1.5.2.2", "name of kind ediPartyName", "extension 1.3.6.1.4.1.311.25.2"} {
		if !strings.Contains(strings.Join(r.Dropped, "\n"), want) {
			t.Errorf("%q is not among what was dropped: %q", want, r.Dropped)
		}
	}

	t.Run("but a name of an unknown kind is refused if the operator says so", func(t *testing.T) {
		refused(t, Settings{UnknownSANs: "refuse"}, d.der(t), "registeredID is not allowed")
	})
}

func TestDoubtfulButCommonEncodingsAreAccepted(t *testing.T) {
	withoutDefault := attribute(t, oidExtensionRequest, sequence(t, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSAN)
			b.AddASN1Boolean(false)
			b.AddASN1OctetString(concat(t, dnsName("a.example")))
		})
	}))
	tests := map[string]draft{
		"critical FALSE written out":               draft{}.attr(withoutDefault),
		"key usage without its unused bits":        draft{}.ext(oidKeyUsage, true, []byte{3, 2, 0, 0xa0}),
		"an extended key usage named twice":        draft{}.ext(oidExtKeyUsage, true, ekuValue(t, clientAuth, clientAuth)),
		"critical CA:FALSE":                        draft{}.ext(oidBasicConstraints, true, tlv(0x30)),
		"critical CA:FALSE written out":            draft{}.ext(oidBasicConstraints, true, tlv(0x30, []byte{1, 1, 0})),
		"critical names":                           draft{}.ext(oidSAN, true, concat(t, dnsName("a.example"))),
		"a device name with spaces as DNS name":    draft{}.sans(t, dnsName("Alice's iPhone")),
		"an attribute that nobody knows":           draft{}.attr(attribute(t, oidCustom, utf8String("x"))),
		"no challenge password and no extensions":  {},
		"an enrolment pair that nobody reads here": draft{}.attr(attribute(t, oidNameValuePair, []byte{5, 0})),
		"a challenge password of 4 kB":             {challenge: strings.Repeat("A", 4096)},
		"a subject of Latin-1 under the T61 type":  {subject: name(t, rdn{{oidCommonName, tlv(0x14, []byte("M\xfcller"))}})},
		"a Persian name, spelled with a joiner":    {subject: name(t, rdn{cn("حسین\u200cپور")})},
		"a user principal name in Japanese":        draft{}.sans(t, upn("山田@contoso.example")),
		"an empty organisation in the subject":     {subject: name(t, rdn{cn("a")}, rdn{{stdasn1.ObjectIdentifier{2, 5, 4, 10}, utf8String("")}})},
	}
	for name, d := range tests {
		t.Run(name, func(t *testing.T) {
			_, issued := issue(t, Settings{}, d, DefaultTemplate)
			if issued.IsCA || issued.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment {
				t.Errorf("%+v", issued)
			}
		})
	}
}
