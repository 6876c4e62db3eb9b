package setup

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/smallstep/certificates/authority/config"
)

// existing returns the path of a CA's ca.json and the file with its password.
func existing(t *testing.T, kty string) (file, password string) {
	t.Helper()
	dir := anAuthority(t, kty)
	return filepath.Join(dir, "config", "ca.json"), filepath.Join(dir, "secrets", "password")
}

func TestACAThatIsThereGetsOneMoreProvisioner(t *testing.T) {
	for kty, want := range map[string][]string{
		"RSA": {"secrets/second.secret"},
		"EC":  {"certs/second_scep.crt", "secrets/second.secret", "secrets/second_scep_key"},
	} {
		t.Run(kty, func(t *testing.T) {
			file, password := existing(t, kty)
			dir := filepath.Dir(filepath.Dir(file))
			before, old := tree(t, dir), read(t, file)
			p := prepare(t, map[string]string{"existing": file, "provisioner": "second", "password-file": password})
			if now := read(t, file); now != old || !slices.Equal(tree(t, dir), before) {
				t.Fatal("something is written already")
			}
			if changes := p.Changes(); !strings.Contains(changes, "+        \"name\": \"second\",") || !strings.Contains(changes, "second.secret") {
				t.Errorf("the changes are\n%s", changes)
			}
			if err := p.Write(); err != nil {
				t.Fatal(err)
			}
			if p.guide.backup == "" || read(t, p.guide.backup) != old || !strings.Contains(guideOf(p), p.guide.backup) {
				t.Errorf("the old one is not kept: %q", p.guide.backup)
			}
			backup, _ := filepath.Rel(dir, p.guide.backup)
			after := slices.DeleteFunc(tree(t, dir), func(f string) bool { return slices.Contains(before, f) || f == filepath.ToSlash(backup) })
			if !slices.Equal(after, want) {
				t.Errorf("wrote %q, want %q", after, want)
			}
			if err := onlyAdds([]byte(old), []byte(read(t, file))); err != nil {
				t.Error(err)
			}
			if _, err := config.LoadConfiguration(file); err != nil {
				t.Error(err)
			}
			if kty == "EC" {
				scep := certificate(t, dir, "certs/second_scep.crt")
				if err := scep.CheckSignatureFrom(certificate(t, dir, "certs/intermediate_ca.crt")); err != nil || !canServeSCEP(scep) {
					t.Errorf("%v, usages %b", err, scep.KeyUsage)
				}
				matches(t, scep, dir, "secrets/second_scep_key")
			}
		})
	}
}

// RFC 8894, section 2.1.2. `step certificate create --profile intermediate-ca` makes such.
func TestAnRSAIntermediateThatMayNotDecryptGetsACertificateForSCEP(t *testing.T) {
	file, password := existing(t, "EC")
	dir := filepath.Dir(filepath.Dir(file))
	root, err := keySource(someKey).newRoot("Other", "EC")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := keySource(someKey).newIssuer(root, "RSA", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign})
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyPEM(ca.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"certs/intermediate_ca.crt": certificatePEM(ca.certificate), "secrets/intermediate_ca_key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := prepare(t, map[string]string{"existing": file, "provisioner": "second", "password-file": password})
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	if err := certificate(t, dir, "certs/second_scep.crt").CheckSignatureFrom(ca.certificate); err != nil {
		t.Error(err)
	}
}

func TestACAThatCannotHaveAProvisionerIsRefused(t *testing.T) {
	file, password := existing(t, "EC")
	untouched := read(t, file)
	for name, test := range map[string]struct {
		edit func(config map[string]any)
		want string
	}{
		"stepcas":               {func(c map[string]any) { c["authority"].(map[string]any)["type"] = "stepcas" }, `authority.type is "stepcas"`},
		"a linked CA":           {func(c map[string]any) { c["authority"].(map[string]any)["deploymentType"] = "linked" }, "linked"},
		"no authority":          {func(c map[string]any) { delete(c, "authority") }, "authority"},
		"no certificate":        {func(c map[string]any) { c["crt"] = "none.crt" }, "crt: "},
		"no root":               {func(c map[string]any) { c["root"] = "none.crt" }, "root: "},
		"no address":            {func(c map[string]any) { c["address"] = "" }, "address"},
		"a key that is not its": {func(c map[string]any) { c["key"] = filepath.Join(filepath.Dir(c["key"].(string)), "intune_scep_key") }, "PublicKey"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(untouched), 0o600); err != nil {
				t.Fatal(err)
			}
			edit(t, file, test.edit)
			old := read(t, file)
			err := tryPrepare(t, map[string]string{"existing": file, "provisioner": "second", "password-file": password})
			if err == nil || !strings.HasPrefix(err.Error(), "--existing: "+file) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
			if read(t, file) != old {
				t.Error("it was changed")
			}
		})
	}
}

func TestThePasswordOfTheCAIsNeededForACertificateForSCEP(t *testing.T) {
	file, password := existing(t, "EC")
	flags := map[string]string{"existing": file, "provisioner": "second"}
	if err := tryPrepare(t, flags); err == nil || !strings.Contains(err.Error(), "--password-file: ") {
		t.Errorf("without a password: %v", err)
	}
	flags["password-file"] = write(t, "wrong")
	if err := tryPrepare(t, flags); err == nil {
		t.Error("a wrong password was taken")
	}
	delete(flags, "password-file")
	o := options(t, flags)
	asked := &operator{answers: map[string]string{"Please enter the password to decrypt the signing key": strings.TrimSpace(read(t, password))}}
	if err := o.Complete(asked); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(o); err != nil || len(asked.asked) != 1 {
		t.Errorf("%v, asked %q", err, asked.asked)
	}
}

func TestALinkToAConfigurationIsFollowed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	file, password := existing(t, "EC")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "ca.json")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	p := prepare(t, map[string]string{"existing": link, "provisioner": "second", "password-file": password})
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if info, err = os.Stat(file); err != nil || info.Mode().Perm() != 0o640 || !strings.Contains(read(t, file), `"second"`) {
		t.Errorf("%v, mode %o", err, info.Mode().Perm())
	}
}

func edit(t *testing.T, file string, edit func(config map[string]any)) {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal([]byte(read(t, file)), &c); err != nil {
		t.Fatal(err)
	}
	edit(c)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
