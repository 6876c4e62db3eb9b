package setup

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority/config"
	"go.step.sm/crypto/keyutil"
	"go.step.sm/crypto/pemutil"

	"github.com/step-ca-intune/step-ca-intune/provisioner"
)

func TestANewCAIsWhatSCEPNeeds(t *testing.T) {
	for kty, want := range map[string][]string{
		"RSA": {"certs/intermediate_ca.crt", "certs/root_ca.crt", "config/ca.json", "secrets/intermediate_ca_key", "secrets/intune.secret", "secrets/password", "secrets/root_ca_key"},
		"EC": {"certs/intermediate_ca.crt", "certs/intune_scep.crt", "certs/root_ca.crt", "config/ca.json", "secrets/intermediate_ca_key", "secrets/intune.secret",
			"secrets/intune_scep_key", "secrets/password", "secrets/root_ca_key"},
	} {
		t.Run(kty, func(t *testing.T) {
			dir := anAuthority(t, kty)
			if got := tree(t, dir); !slices.Equal(got, want) {
				t.Errorf("wrote %q, want %q", got, want)
			}
			root, intermediate := certificate(t, dir, "certs/root_ca.crt"), certificate(t, dir, "certs/intermediate_ca.crt")
			if root.Subject.CommonName != "Contoso Root CA" || intermediate.Subject.CommonName != "Contoso Intermediate CA" {
				t.Errorf("the CA is %q below %q", intermediate.Subject, root.Subject)
			}
			if n, ok := intermediate.PublicKey.(*rsa.PublicKey); ok != (kty == "RSA") || ok && n.N.BitLen() != 3072 {
				t.Errorf("the intermediate's key is a %T", intermediate.PublicKey)
			}
			roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(root)
			intermediates.AddCert(intermediate)
			scep := intermediate
			if kty == "EC" {
				scep = certificate(t, dir, "certs/intune_scep.crt")
				matches(t, scep, dir, "secrets/intune_scep_key")
			}
			if !canServeSCEP(scep) {
				t.Errorf("SCEP has a %s key with the usages %b", scep.PublicKeyAlgorithm, scep.KeyUsage)
			}
			for _, c := range []*x509.Certificate{intermediate, scep} {
				o := x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: time.Now().AddDate(9, 0, 0), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
				if _, err := c.Verify(o); err != nil {
					t.Errorf("%s: %v", c.Subject, err)
				}
			}
			password := pemutil.WithPassword([]byte(strings.TrimSpace(read(t, dir, "secrets/password"))))
			matches(t, root, dir, "secrets/root_ca_key", password)
			matches(t, intermediate, dir, "secrets/intermediate_ca_key", password)
			for _, key := range []string{"secrets/root_ca_key", "secrets/intermediate_ca_key"} {
				if !strings.Contains(read(t, dir, key), "ENCRYPTED") {
					t.Errorf("%s is not encrypted", key)
				}
			}
		})
	}
}

func TestTheConfigurationOfANewCA(t *testing.T) {
	dir := newAuthority(t, map[string]string{
		"kty": "EC", "provisioner": "phones", "dns": "ca.contoso.example, 192.0.2.1", "address": ":8443", "status-address": "127.0.0.1:9190", "insecure-address": "127.0.0.1:8080",
		"cloud": "china", "intune-endpoint": "https://intune.contoso.example/", "proxy": "http://proxy.contoso.example:3128", "root-cas": newRootFile(t),
	})
	c, err := config.LoadConfiguration(filepath.Join(dir, "config", "ca.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.Address != ":8443" || c.InsecureAddress != "127.0.0.1:8080" || !slices.Equal(c.DNSNames, []string{"ca.contoso.example", "192.0.2.1"}) ||
		c.DB.Type != "badgerv2" || c.DB.DataSource != filepath.Join(dir, "db") {
		t.Errorf("got %+v", c)
	}
	if address, err := provisioner.StatusAddress(filepath.Join(dir, "config", "ca.json")); err != nil || address != "127.0.0.1:9190" {
		t.Errorf("the status is at %q, %v", address, err)
	}
	var file struct {
		Authority struct {
			Provisioners []map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(read(t, dir, "config/ca.json")), &file); err != nil {
		t.Fatal(err)
	}
	entry := file.Authority.Provisioners[0]
	for key, want := range map[string]string{
		"type": `"Intune"`, "name": `"phones"`, "includeRoot": "true", "encryptionAlgorithmIdentifier": "2",
		"claims":       `{"defaultTLSCertDuration":"8760h","maxTLSCertDuration":"8760h"}`,
		"decrypterKey": `"softkms:path=` + filepath.Join(dir, "secrets", "phones_scep_key") + `"`,
		"intune": `{"tenant":"contoso.onmicrosoft.com","clientID":"11111111-2222-3333-4444-555555555555",` +
			`"credential":{"secretFile":"` + filepath.Join(dir, "secrets", "phones.secret") + `"},"cloud":"china",` +
			`"endpoints":{"intune":"https://intune.contoso.example/"},"proxy":{"url":"http://proxy.contoso.example:3128"},"tls":{"rootCAs":"FILE"}}`,
	} {
		got := compact(t, entry[key])
		if i := strings.Index(got, `{"rootCAs":"`); i >= 0 {
			got = got[:i] + `{"rootCAs":"FILE"}}`
		}
		if got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestOnlyTheOwnerReadsKeysAndSecrets(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := anAuthority(t, "EC")
	for _, name := range tree(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o600)
		if strings.HasSuffix(name, ".crt") {
			want = 0o644
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has the mode %o", name, info.Mode().Perm())
		}
	}
	if read(t, dir, "secrets/intune.secret") != testSecret+"\n" {
		t.Error("the secret is not in its file")
	}
}

func TestAPasswordOfTheOperatorsIsUsed(t *testing.T) {
	file := write(t, "open sesame\n\n")
	dir := newAuthority(t, map[string]string{"password-file": file})
	matches(t, certificate(t, dir, "certs/intermediate_ca.crt"), dir, "secrets/intermediate_ca_key", pemutil.WithPassword([]byte("open sesame")))
	if slices.Contains(tree(t, dir), "secrets/password") {
		t.Error("it was written again")
	}
}

func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			relative, _ := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func certificate(t *testing.T, path ...string) *x509.Certificate {
	t.Helper()
	c, err := pemutil.ReadCertificate(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// matches checks that a file holds the key of a certificate.
func matches(t *testing.T, c *x509.Certificate, dir, name string, opts ...pemutil.Options) {
	t.Helper()
	key, err := pemutil.Read(filepath.Join(dir, name), opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := keyutil.VerifyPair(c.PublicKey, key); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func newRootFile(t *testing.T) string {
	t.Helper()
	root, err := keySource(someKey).newRoot("Proxy", "EC")
	if err != nil {
		t.Fatal(err)
	}
	return write(t, string(certificatePEM(root.certificate)))
}

func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
