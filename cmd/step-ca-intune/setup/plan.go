package setup

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Plan is what a set-up writes, made and not yet written.
type Plan struct {
	config   string // path of ca.json
	old, new []byte // content of ca.json; old is nil for a new CA
	files    []file // beside ca.json
	folders  []string
	caKey    string // file with the key of a CA that is there, if it is one
	guide    guide
}

// file is one to be written.
type file struct {
	path    string
	content []byte
	public  bool // else only its owner may read it
	what    string
}

// Prepare makes everything that complete options describe. It reads what is there and writes
// nothing.
func Prepare(o *Options) (*Plan, error) {
	if o.existing != "" {
		return o.extend()
	}
	return o.create()
}

func (p *Plan) add(path string, content []byte, public bool, what string) {
	p.files = append(p.files, file{path, content, public, what})
}

// addSecret plans the file of the client secret.
func (p *Plan) addSecret(o *Options, folder string) (path string) {
	p.guide.secretFile = o.secretFile
	path = filepath.Join(folder, o.provisioner+".secret")
	p.add(path, []byte(string(o.secret)+"\n"), false, "client secret of the application")
	return path
}

// addDecrypter makes a certificate for SCEP, plans its files and enters it into e.
func (p *Plan) addDecrypter(from keySource, e *entry, ca *issuer, certificates, keys string) error {
	decrypter, err := from.newDecrypter(ca)
	if err != nil {
		return fmt.Errorf("making the certificate for SCEP: %w", err)
	}
	// Not encrypted: its password would have to stand in ca.json, and it signs no certificate.
	key, err := keyPEM(decrypter.key, nil)
	if err != nil {
		return err
	}
	file := filepath.Join(keys, e.Name+"_scep_key")
	p.add(filepath.Join(certificates, e.Name+"_scep.crt"), certificatePEM(decrypter.certificate), true, "RSA certificate that SCEP requests are encrypted to")
	p.add(file, key, false, "its key")
	e.DecrypterCertificate = certificatePEM(decrypter.certificate)
	e.DecrypterKey = keyURI(file)
	return nil
}

// Changes shows what [Plan.Write] will do: the files that it writes, and the difference of a
// ca.json that is there.
func (p *Plan) Changes() string {
	var b strings.Builder
	b.WriteString("Files to be written:\n")
	files := p.files
	if p.old == nil {
		files = append(files[:len(files):len(files)], file{path: p.config, what: "configuration of the CA"})
	}
	width := 0
	for _, f := range files {
		width = max(width, len(f.path))
	}
	for _, f := range files {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, f.path, f.what)
	}
	if p.old != nil {
		fmt.Fprintf(&b, "\nChange of %s:\n%s", p.config, diff(p.config, string(p.old), string(p.new)))
	}
	return b.String()
}
