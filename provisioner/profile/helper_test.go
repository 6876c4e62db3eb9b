package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.step.sm/crypto/x509util"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var deviceKey = sync.OnceValue(func() *rsa.PrivateKey { return generate(2048) })

func generate(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// draft is a certificate request about to be written, however wrong.
type draft struct {
	key        crypto.Signer
	subject    []byte // whole Name
	spki       []byte // instead of key's
	extensions []pkix.Extension
	attributes [][]byte // whole attributes beside the list of extensions
	challenge  string
	trailer    []byte
}

func (d draft) der(t testing.TB) []byte {
	t.Helper()
	if d.key == nil {
		d.key = deviceKey()
	}
	spki := d.spki
	if spki == nil {
		var err error
		if spki, err = x509.MarshalPKIXPublicKey(d.key.Public()); err != nil {
			t.Fatal(err)
		}
	}
	subject := d.subject
	if subject == nil {
		subject = name(t, rdn{cn("device-0001")})
	}
	info := sequence(t, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(subject)
		b.AddBytes(spki)
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			if d.challenge != "" {
				b.AddBytes(attribute(t, oidChallengePassword, utf8String(d.challenge)))
			}
			if d.extensions != nil {
				b.AddBytes(attribute(t, oidExtensionRequest, extensionList(t, d.extensions)))
			}
			for _, raw := range d.attributes {
				b.AddBytes(raw)
			}
		})
	})
	digest := sha256.Sum256(info)
	signature, err := d.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	oid := stdasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	if _, ok := d.key.(*ecdsa.PrivateKey); ok {
		oid = stdasn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	}
	return append(sequence(t, func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			if oid[3] == 113549 {
				b.AddASN1NULL()
			}
		})
		b.AddASN1BitString(signature)
	}), d.trailer...)
}

// sans returns d with names.
func (d draft) sans(t testing.TB, names ...[]byte) draft {
	d.extensions = append(d.extensions, pkix.Extension{Id: oidSAN, Value: concat(t, names...)})
	return d
}

// ext returns d with one more extension.
func (d draft) ext(oid stdasn1.ObjectIdentifier, critical bool, value []byte) draft {
	d.extensions = append(d.extensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	return d
}

func (d draft) attr(raw []byte) draft {
	d.attributes = append(d.attributes, raw)
	return d
}

func sequence(t testing.TB, f func(*cryptobyte.Builder)) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, f)
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func concat(t testing.TB, parts ...[]byte) []byte {
	return sequence(t, func(b *cryptobyte.Builder) {
		for _, part := range parts {
			b.AddBytes(part)
		}
	})
}

// tlv is an element with a tag of one byte.
func tlv(tag byte, contents ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.Tag(tag), func(b *cryptobyte.Builder) {
		for _, c := range contents {
			b.AddBytes(c)
		}
	})
	return b.BytesOrPanic()
}

func oidDER(oid stdasn1.ObjectIdentifier) []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(oid)
	return b.BytesOrPanic()
}

func attribute(t testing.TB, oid stdasn1.ObjectIdentifier, values ...[]byte) []byte {
	return sequence(t, func(b *cryptobyte.Builder) {
		b.AddBytes(oidDER(oid))
		b.AddBytes(tlv(0x31, values...))
	})
}

func extensionList(t testing.TB, extensions []pkix.Extension) []byte {
	return sequence(t, func(b *cryptobyte.Builder) {
		for _, e := range extensions {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.Id)
				if e.Critical {
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(e.Value)
			})
		}
	})
}

func utf8String(s string) []byte { return tlv(0x0c, []byte(s)) }

func bmpString(s string) []byte {
	var data []byte
	for _, r := range s {
		data = append(data, byte(r>>8), byte(r))
	}
	return tlv(0x1e, data)
}

func dnsName(s string) []byte   { return tlv(0x82, []byte(s)) }
func emailName(s string) []byte { return tlv(0x81, []byte(s)) }
func uriName(s string) []byte   { return tlv(0x86, []byte(s)) }
func upn(s string) []byte       { return otherName(oidUPN, utf8String(s)) }

func otherName(oid stdasn1.ObjectIdentifier, value []byte) []byte {
	return tlv(0xa0, oidDER(oid), tlv(0xa0, value))
}

type atv struct {
	oid   stdasn1.ObjectIdentifier
	value []byte
}

type rdn []atv

func cn(s string) atv { return atv{oidCommonName, utf8String(s)} }

func name(t testing.TB, rdns ...rdn) []byte {
	return sequence(t, func(b *cryptobyte.Builder) {
		for _, r := range rdns {
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
				for _, a := range r {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(a.oid)
						b.AddBytes(a.value)
					})
				}
			})
		}
	})
}

func ekuValue(t testing.TB, oids ...stdasn1.ObjectIdentifier) []byte {
	var parts [][]byte
	for _, oid := range oids {
		parts = append(parts, oidDER(oid))
	}
	return concat(t, parts...)
}

func kuValue(bits ...byte) []byte { return tlv(0x03, append([]byte{0}, bits...)) }

func mustProfile(t testing.TB, s Settings) *Profile {
	t.Helper()
	p, err := s.Profile()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustRead(t testing.TB, s Settings, d draft) *Request {
	t.Helper()
	r, err := mustProfile(t, s).Read(d.der(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testCA signs as step-ca's softcas does.
type testCA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

var ca = sync.OnceValue(func() testCA {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return testCA{certificate, key}
})

func (c testCA) sign(t testing.TB, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	issued, err := x509util.CreateCertificate(template, c.certificate, template.PublicKey, c.key)
	if err != nil {
		t.Fatalf("signing: %v", err)
	}
	return issued
}

// oidProvisioner is step-ca's own extension.
var oidProvisioner = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 37476, 9000, 64, 1}

// render does with a template what step-ca does between the webhook's answer
// and signing, up to the enforcers.
func render(t testing.TB, text string, data map[string]any, der []byte) (*x509.Certificate, error) {
	t.Helper()
	wire, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	var received map[string]any
	if err := json.Unmarshal(wire, &received); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	templateData := x509util.CreateTemplateData(parsed.Subject.CommonName, []string{"invented.example"})
	templateData.SetCertificateRequest(parsed)
	templateData.SetWebhook("intune", received)
	certificate, err := x509util.NewCertificate(parsed, x509util.WithTemplate(text, templateData))
	if err != nil {
		return nil, err
	}
	template := certificate.GetCertificate()
	template.Subject.Organization = append(template.Subject.Organization, "authority's default")
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = template.NotBefore.Add(12 * time.Hour)
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{
		Id:    oidProvisioner,
		Value: []byte("provisioner"),
	})
	return template, nil
}

// issue reads, renders, checks and signs.
func issue(t testing.TB, s Settings, d draft, text string) (*Request, *x509.Certificate) {
	t.Helper()
	r := mustRead(t, s, d)
	template, err := render(t, text, r.TemplateData(), d.der(t))
	if err != nil {
		t.Fatalf("rendering: %v", err)
	}
	if err := FillNames(template); err != nil {
		t.Fatalf("filling names: %v", err)
	}
	if err := r.Check(template); err != nil {
		t.Fatalf("checking: %v", err)
	}
	issued := ca().sign(t, template)
	if err := CheckIssued(template, issued); err != nil {
		t.Fatalf("comparing: %v", err)
	}
	return r, issued
}

func extensionOf(c *x509.Certificate, oid stdasn1.ObjectIdentifier) *pkix.Extension {
	return findExtension(c.Extensions, oid)
}

// recordedRequest is what Microsoft's library sent when its traffic was recorded.
func recordedRequest(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "intune", "testdata", "csr.b64"))
	if err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// extensionElements takes a sequence in an extension apart, with encoding/asn1.
func extensionElements(t testing.TB, extensions []pkix.Extension, oid stdasn1.ObjectIdentifier) [][]byte {
	t.Helper()
	for _, e := range extensions {
		if !e.Id.Equal(oid) {
			continue
		}
		var elements []stdasn1.RawValue
		if rest, err := stdasn1.Unmarshal(e.Value, &elements); err != nil || len(rest) != 0 {
			t.Fatalf("extension %s: %v", oid, err)
		}
		var raw [][]byte
		for _, element := range elements {
			raw = append(raw, element.FullBytes)
		}
		return raw
	}
	return nil
}
