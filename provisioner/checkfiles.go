package provisioner

import (
	"cmp"
	"os"
	"runtime"
	"strings"

	"github.com/smallstep/certificates/authority/provisioner"
	"go.step.sm/crypto/kms/softkms"
	"go.step.sm/crypto/kms/uri"
)

// secretFile is a file that only the user who runs step-ca should read.
type secretFile struct{ what, path string }

// files looks at the modes of all files that hold a secret. Whether they can be read shows
// when they are.
func (x *examination) files() {
	x.area = "files"
	if runtime.GOOS == "windows" {
		return // has no such modes
	}
	all := x.secretFiles()
	loose := 0
	seen := map[string]bool{}
	for _, f := range all {
		info, err := os.Stat(f.path)
		if err != nil || info.IsDir() || seen[f.path] {
			continue
		}
		seen[f.path] = true
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			loose++
			x.warn("Run: chmod 600 "+f.path+", with the user that runs step-ca as its owner.",
				"%s, %s, is open to others than its owner: its mode is %#o", f.what, f.path, mode)
		}
	}
	if info, err := os.Stat(x.File); err == nil && !seen[x.File] && info.Mode().Perm()&0o022 != 0 {
		loose++
		x.warn("Run: chmod go-w "+x.File, "others than its owner may change %s: its mode is %#o", x.File, info.Mode().Perm())
	}
	if loose == 0 && len(seen) > 0 {
		x.ok("%d files with secrets are their owner's alone", len(seen))
	}
}

func (x *examination) secretFiles() (all []secretFile) {
	add := func(what, path string) {
		if path := keyFile(path); path != "" {
			all = append(all, secretFile{what: what, path: path})
		}
	}
	add("the password file", x.PasswordFile)
	if x.conf != nil {
		add("the CA's key", x.conf.IntermediateKey)
		if x.holdsSecrets() {
			all = append(all, secretFile{what: "ca.json, which holds a secret", path: x.File})
		}
	}
	for n := range x.intune {
		r := &x.intune[n]
		p, _ := r.scepProvisioner()
		add("the decrypter's key", p.DecrypterKeyURI)
		s := r.settings()
		if c := s.Credential; c != nil {
			add("the client secret", c.SecretFile)
			add("the application's key", c.Key)
		}
		if s.Proxy != nil {
			add("the proxy's password", s.Proxy.PasswordFile)
		}
	}
	return all
}

// keyFile returns the file that holds a key, empty for a key elsewhere. A URI of softkms is
// read as softkms does.
func keyFile(key string) string {
	u, err := uri.ParseWithScheme(softkms.Scheme, key)
	switch {
	case err == nil:
		return cmp.Or(u.Get("path"), u.Path, u.Opaque)
	case strings.Contains(key, ":"):
		return ""
	}
	return key
}

// settings returns what can be read of an entry's `intune` object.
func (r *rawEntry) settings() (s settings) {
	if raw, ok := r.get("intune"); ok {
		_, _ = decodeStrict(raw, &s) // newEntry says what is wrong
	}
	return s
}

// holdsSecrets reports whether ca.json itself holds a secret.
func (x *examination) holdsSecrets() bool {
	if x.conf.Password != "" || x.conf.KMS != nil && (x.conf.KMS.Pin != "" || strings.Contains(x.conf.KMS.URI, "pin-value")) {
		return true
	}
	if db := x.conf.DB; db != nil && isServer(db.Type) {
		return true
	}
	for _, p := range x.conf.AuthorityConfig.Provisioners {
		if s, ok := p.(*provisioner.SCEP); ok && (s.ChallengePassword != "" || s.DecrypterKeyPassword != "" || len(s.DecrypterKeyPEM) > 0) {
			return true
		}
	}
	for n := range x.intune {
		if p, _ := x.intune[n].scepProvisioner(); p.DecrypterKeyPassword != "" || len(p.DecrypterKeyPEM) > 0 {
			return true
		}
	}
	return false
}
