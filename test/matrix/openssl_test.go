package matrix

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// certificate is what openssl says about one.
type certificate struct {
	subject             string // as RFC 2253 writes it
	notBefore, notAfter time.Time
	signature           string // algorithm
	keyBits             int
	extensions          []extension
}

// extension has openssl's name for it, and its text with the lines trimmed and
// joined by "; ". The text of one that openssl does not know may be anything.
type extension struct {
	name     string
	critical bool
	text     string
}

// inspect lets openssl verify a certificate against the CA and returns what it
// reads in it.
func (s *site) inspect(t *testing.T, c *x509.Certificate) *certificate {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	runOpenSSL(t, text, "verify", "-CAfile", s.ca.File("root.crt"), "-untrusted", s.ca.File("intermediate.crt"))
	return parse(t, runOpenSSL(t, text, "x509", "-noout", "-text", "-nameopt", "RFC2253,-esc_msb"))
}

func runOpenSSL(t *testing.T, input []byte, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Stdin = bytes.NewReader(input)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// parse reads the output of openssl x509 -text. Extensions are indented by
// twelve characters and their texts by more.
func parse(t *testing.T, text string) *certificate {
	t.Helper()
	c := &certificate{}
	moment := func(value string) time.Time {
		at, err := time.Parse("Jan _2 15:04:05 2006 MST", value)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	inExtensions := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		trimmed := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " "))
		name, value, _ := strings.Cut(trimmed, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case trimmed == "X509v3 extensions:":
			inExtensions = true
		case indent == 4 && name == "Signature Algorithm":
			inExtensions = false
		case inExtensions && indent == 12:
			c.extensions = append(c.extensions, extension{name: name, critical: value == "critical"})
		case inExtensions && len(c.extensions) > 0:
			last := &c.extensions[len(c.extensions)-1]
			last.text = strings.TrimPrefix(last.text+"; "+trimmed, "; ")
		case name == "Signature Algorithm":
			c.signature = value
		case name == "Not Before":
			c.notBefore = moment(value)
		case name == "Not After":
			c.notAfter = moment(value)
		case name == "Subject":
			c.subject = value
		case name == "Public-Key":
			bits, _, _ := strings.Cut(strings.TrimPrefix(value, "("), " ")
			c.keyBits, _ = strconv.Atoi(bits)
		}
	}
	return c
}

// openssl's names of the extensions that certificates have.
const (
	extSAN        = "X509v3 Subject Alternative Name"
	extKU         = "X509v3 Key Usage"
	extEKU        = "X509v3 Extended Key Usage"
	extSubjectKey = "X509v3 Subject Key Identifier"
	extIssuerKey  = "X509v3 Authority Key Identifier"
	extCRL        = "X509v3 CRL Distribution Points"
	extAIA        = "Authority Information Access"
	extPolicies   = "X509v3 Certificate Policies"
	extStepCA     = "1.3.6.1.4.1.37476.9000.64.1" // names the provisioner
)

// find returns an extension, or one without a name.
func (c *certificate) find(name string) extension {
	for _, e := range c.extensions {
		if e.name == name {
			return e
		}
	}
	return extension{}
}

// others lists the names of extensions beyond those that every device's
// certificate may have.
func (c *certificate) others() (names []string) {
	for _, e := range c.extensions {
		switch e.name {
		case extSAN, extKU, extEKU, extSubjectKey, extIssuerKey, extStepCA:
		default:
			names = append(names, e.name)
		}
	}
	return names
}

// sans returns the alternative names as openssl 3 writes them, of which some
// releases put two colons after UPN.
func (c *certificate) sans() string {
	return strings.ReplaceAll(c.find(extSAN).text, "othername: UPN::", "othername: UPN:")
}

// validity leaves out step-ca's backdate of a minute.
func (c *certificate) validity() time.Duration {
	return c.notAfter.Sub(c.notBefore) - time.Minute
}
