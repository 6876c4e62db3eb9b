package provisioner

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/db"
)

// examine returns what Check finds offline.
func examine(t *testing.T, file string) []Finding {
	t.Helper()
	findings, err := Check(t.Context(), CheckOptions{File: file, Offline: true, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Area == "" || f.What == "" || (f.State == StateOK) != (f.Advice == "") || strings.Contains(f.What+f.Advice, "\n") {
			t.Errorf("%+v", f)
		}
	}
	return findings
}

func TestCheckFindsWhatKeepsDevicesFromACertificate(t *testing.T) {
	outside := set([]any{"ca.contoso.example"}, "dnsNames")
	file := func(name string, content []byte) string {
		return writeFile(t, filepath.Join(t.TempDir(), name), content)
	}
	crt := func(c *issuer) func(object) { return set(file("crt", certificatePEM(c.certificate)), "crt") }
	elliptic := both(crt(testECIssuer()), set(file("key", keyPEM(testECIssuer().key)), "key"))
	decrypter := func(c *issuer) object {
		entry := with(intuneEntry(t, "intune"), certificatePEM(c.certificate), "decrypterCertificate")
		return with(entry, keyPEM(c.key), "decrypterKeyPEM")
	}
	stranger := newIssuer("Stranger", nil, testIssuer().key, true)
	for name, test := range map[string]struct {
		edit  func(object)
		entry object
		state State
		area  string
		what  string
	}{
		"a root that cannot be read":        {edit: set("/nonexistent", "root"), area: "CA", what: "root: "},
		"a certificate that cannot be read": {edit: set("/nonexistent", "crt"), area: "CA", what: "crt: "},
		"a key of another CA":               {edit: set(file("key", keyPEM(ecKey())), "key"), area: "CA", what: `the CA's key is not that of "Contoso Issuing CA"`},
		"a CA that no root has issued":      {edit: crt(stranger), area: "CA", what: `"Stranger" does not lead to the CA's root`},
		"a certificate that is no CA's":     {edit: crt(testDecrypter()), area: "CA", what: "is no certificate of a CA"},
		"a CA that has expired":             {edit: crt(lasting(-time.Hour)), area: "CA", what: "has expired on"},
		"a CA that expires soon":            {edit: crt(lasting(24 * time.Hour)), state: StateWarning, area: "CA", what: "expires on"},
		"a CA that may not decrypt":         {edit: crt(certify("CA", testRoot(), testIssuer().key, true, forSigning)), state: StateWarning, area: `provisioner "intune"`, what: `the key usage of "CA"`},
		"a CA that may not sign SCEP":       {edit: crt(certify("CA", testRoot(), testIssuer().key, true, forSigning|x509.KeyUsageKeyEncipherment)), state: StateWarning, area: `provisioner "intune"`, what: `the key usage of "CA"`},
		"a CA that ends before its devices": {edit: crt(lasting(24 * time.Hour)), state: StateWarning, area: `provisioner "intune"`, what: "outlive the issuing CA"},
		"a KMS that is not there":           {edit: set(object{"type": "pkcs11", "uri": "pkcs11:module-path=/nonexistent;token=x"}, "kms"), area: "CA", what: "kms cannot be opened"},
		"another kind of CA":                {edit: set("stepcas", "authority", "type"), area: `provisioner "intune"`, what: `authority.type is "stepcas"`},
		"no extension in certificates":      {edit: set(true, "authority", "claims", "disableSmallstepExtensions"), area: `provisioner "intune"`, what: "disableSmallstepExtensions"},
		"claims that contradict each other": {edit: set(object{"maxTLSCertDuration": "1h", "defaultTLSCertDuration": "2h"}, "authority", "claims"), area: `provisioner "intune"`, what: "authority.claims"},
		"an address without port":           {edit: set("localhost", "address"), area: "ca.json", what: "step-ca refuses it"},
		"a number for a list":               {edit: set(5, "dnsNames"), area: "ca.json", what: "step-ca cannot read it"},
		"a logger that is none":             {edit: set(object{"format": "x"}, "logger"), area: "ca.json", what: "logger"},
		"no database":                       {edit: func(o object) { delete(o, "db") }, state: StateWarning, area: "database", what: "no db"},
		"a database in a missing folder":    {edit: set(object{"type": "bbolt", "dataSource": "/nonexistent/db/file"}, "db"), area: "database", what: "folder of db.dataSource"},
		"a database that is something else": {edit: set(object{"type": "bbolt", "dataSource": file("db", []byte(strings.Repeat("x", 9000)))}, "db"), area: "database", what: "cannot be read"},
		"a status address for everybody":    {edit: set(object{"statusAddress": "0.0.0.0:9190", "statusAllowRemote": true}, "intune"), state: StateWarning, area: "status listener", what: "other machines"},
		"a status address that is none":     {edit: set(object{"statusAddress": "x"}, "intune"), area: "status listener", what: "is not an address"},
		"AES-GCM":                           {entry: with(intuneEntry(t, "intune"), 4, "encryptionAlgorithmIdentifier"), state: StateWarning, area: `provisioner "intune"`, what: "AES-GCM"},
		"a cipher that is none":             {entry: with(intuneEntry(t, "intune"), 9, "encryptionAlgorithmIdentifier"), area: `provisioner "intune"`, what: "step-ca cannot serve it"},
		"a template of the operator's":      {entry: with(intuneEntry(t, "intune"), []any{hook("mine", "ENRICHING"), hook("mine", "x")}, "options", "webhooks"), area: `provisioner "intune"`, what: `kind "x"`},
		"queued reporting":                  {entry: with(intuneEntry(t, "intune"), "queued", "intune", "reporting"), state: StateWarning, area: `provisioner "intune"`, what: "reporting is queued"},
		"a name that is no part of a URL":   {entry: intuneEntry(t, "in/tune"), state: StateWarning, area: `provisioner "in/tune"`, what: `"in%2Ftune"`},
		"the key of another decrypter":      {edit: elliptic, entry: with(decrypter(testDecrypter()), keyPEM(rsaKey()), "decrypterKeyPEM"), area: `provisioner "intune"`, what: "mismatch between decrypter certificate"},
		"a decrypter of another CA":         {edit: elliptic, entry: decrypter(newIssuer("RA", testIssuer(), rsaKey(), false)), area: `provisioner "intune"`, what: `"RA" is not issued by "Contoso EC CA"`},
		"a decrypter that cannot encrypt":   {edit: elliptic, entry: decrypter(certify("RA", testECIssuer(), rsaKey(), true, forSigning)), area: `provisioner "intune"`, what: "has no key usage keyEncipherment"},
		"a decrypter key that is no PEM":    {edit: elliptic, entry: with(decrypter(testDecrypter()), []byte("x"), "decrypterKeyPEM"), area: `provisioner "intune"`, what: "step-ca cannot serve it"},
	} {
		t.Run(name, func(t *testing.T) {
			edits, entry := both(outside, withDatabase(t)), test.entry
			if test.edit != nil {
				edits = both(edits, test.edit)
			}
			if entry == nil {
				entry = intuneEntry(t, "intune")
			}
			if test.state == "" {
				test.state = StateProblem
			}
			findings := examine(t, writeCA(t, edits, entry))
			for _, f := range findings {
				if f.State == test.state && f.Area == test.area && strings.Contains(f.What, test.what) {
					return
				}
			}
			t.Errorf("no %s in %s with %q: %+v", test.state, test.area, test.what, findings)
		})
	}
}

// lasting returns an issuing CA that ends after a time.
func lasting(life time.Duration) *issuer {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Short CA"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := testIssuer().key
	der, err := x509.CreateCertificate(rand.Reader, template, testRoot().certificate, key.Public(), testRoot().key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &issuer{certificate: cert, key: key}
}

func TestCheckOfAGoodConfigurationFindsNothing(t *testing.T) {
	good := both(set([]any{"ca.contoso.example"}, "dnsNames"), withDatabase(t), set(object{"statusAddress": "127.0.0.1:9190"}, "intune"))
	for _, f := range examine(t, writeCA(t, good, intuneEntry(t, "intune"))) {
		if f.State != StateOK {
			t.Errorf("%+v", f)
		}
	}
}

func TestCheckOfACAWithoutIntuneSaysSo(t *testing.T) {
	for _, f := range examine(t, writeCA(t, nil, scepEntry("scep"))) {
		if f.State == StateProblem && strings.Contains(f.What, "no provisioner of type Intune") && strings.Contains(f.Advice, "step ca provisioner add") {
			return
		}
	}
	t.Error("it does not")
}

// deaf is a key that signs but does not decrypt, as some key management systems have them.
type deaf struct{ crypto.Signer }

func (deaf) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return nil, errors.New("the key may not be used for this")
}

// forgetful decrypts to something else.
type forgetful struct{ crypto.Signer }

func (forgetful) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return []byte("something else"), nil
}

func TestCheckTriesWhetherTheCACanDecrypt(t *testing.T) {
	issuer := testIssuer()
	for name, test := range map[string]struct {
		decrypter crypto.Decrypter
		state     State
		what      string
	}{
		"it can":                     {issuer.key.(crypto.Decrypter), StateOK, `SCEP clients see "Contoso Issuing CA"`},
		"its KMS cannot":             {nil, StateProblem, "the CA's key cannot decrypt"},
		"its key may not":            {deaf{issuer.key}, StateProblem, "may not be used for this"},
		"its key is the wrong one":   {forgetful{issuer.key}, StateProblem, "decrypts to something else"},
		"its key is an elliptic one": {deaf{ecKey()}, StateProblem, "no RSA key"},
	} {
		t.Run(name, func(t *testing.T) {
			x := &examination{chain: []*x509.Certificate{issuer.certificate}, signer: issuer.key, decrypter: test.decrypter}
			x.decryption(new(provisioner.SCEP), issuer.certificate)
			if len(x.findings) != 1 || x.findings[0].State != test.state || !strings.Contains(x.findings[0].What, test.what) {
				t.Errorf("got %+v", x.findings)
			}
		})
	}
}

func TestCheckNamesTheChainAsStepCASendsIt(t *testing.T) {
	root, ca, ra := testRoot().certificate, testECIssuer().certificate, testDecrypter()
	for want, p := range map[string]provisioner.SCEP{
		`"Contoso SCEP RA" (RSA 2048), "Contoso EC CA" (ECDSA P-256)`:                                  {},
		`"Contoso SCEP RA" (RSA 2048)`:                                                                 {ExcludeIntermediate: true},
		`"Contoso SCEP RA" (RSA 2048), "Contoso EC CA" (ECDSA P-256), "Contoso Root CA" (ECDSA P-256)`: {IncludeRoot: true},
	} {
		x := &examination{chain: []*x509.Certificate{ca}, roots: []*x509.Certificate{root}}
		p.Type, p.Name = "SCEP", "intune"
		p.DecrypterCertificate, p.DecrypterKeyPEM = certificatePEM(ra.certificate), keyPEM(ra.key)
		if err := p.Init(provisioner.Config{Claims: config.GlobalProvisionerClaims}); err != nil {
			t.Fatal(err)
		}
		x.decryption(&p, ca)
		if len(x.findings) != 1 || x.findings[0].What != "SCEP clients see "+want {
			t.Errorf("got %+v instead of %q", x.findings, want)
		}
	}
}

func TestCheckFindsTheFileOfAKeyHoweverItIsNamed(t *testing.T) {
	for key, want := range map[string]string{
		"/secrets/ra.key":                         "/secrets/ra.key",
		"ra.key":                                  "ra.key",
		"softkms:/secrets/ra.key":                 "/secrets/ra.key",
		"softkms:ra.key":                          "ra.key",
		"softkms:path=/secrets/ra.key":            "/secrets/ra.key",
		"softkms:path=/secrets/my+ra%3Bkey":       "/secrets/my ra;key",
		"pkcs11:id=7330;object=ra?pin-value=1234": "",
		"awskms:key-id=1":                         "",
		"":                                        "",
	} {
		if got := keyFile(key); got != want {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
}

func TestCheckFindsADecrypterKeyThatOthersMayRead(t *testing.T) {
	key := writeFile(t, filepath.Join(t.TempDir(), "ra.key"), keyPEM(testDecrypter().key))
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	entry := with(intuneEntry(t, "intune"), certificatePEM(testDecrypter().certificate), "decrypterCertificate")
	findings := examine(t, writeCA(t, nil, with(entry, "softkms:path="+key, "decrypterKey")))
	if !slices.ContainsFunc(findings, func(f Finding) bool {
		return f.State == StateWarning && f.Area == "files" && strings.HasPrefix(f.What, "the decrypter's key, "+key)
	}) {
		t.Errorf("got %+v", findings)
	}
}

func TestAPasswordInADatabaseAddressIsHidden(t *testing.T) {
	for _, source := range []string{
		"postgresql://ca:hush%2Dhush@db/ca", "host=db user=ca password=hush-hush dbname=ca", "host=db password = 'hush-hush'",
		"ca:hush-hush@tcp(db:3306)/", "postgresql://db/ca?user=ca&password=hush-hush",
	} {
		x := &examination{conf: &config.Config{AuthorityConfig: new(config.AuthConfig), DB: &db.Config{Type: "postgresql", DataSource: source}}}
		x.hideSecrets()
		if got := x.discreet(source + " says hush-hush and hush%2Dhush"); strings.Contains(got, "hush-") && strings.Contains(source, "hush-") || strings.Contains(got, "hush%") && strings.Contains(source, "hush%") {
			t.Errorf("%s: %q", source, got)
		}
	}
}
