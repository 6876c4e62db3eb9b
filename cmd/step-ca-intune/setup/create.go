package setup

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"go.step.sm/crypto/randutil"
)

// caConfig is the ca.json of a new CA.
type caConfig struct {
	Root            string         `json:"root"`
	Certificate     string         `json:"crt"`
	Key             string         `json:"key"`
	Address         string         `json:"address"`
	InsecureAddress string         `json:"insecureAddress,omitempty"`
	DNSNames        []string       `json:"dnsNames"`
	Logger          map[string]any `json:"logger"`
	DB              database       `json:"db"`
	Intune          *statusObject  `json:"intune,omitempty"`
	Authority       authority      `json:"authority"`
}

type statusObject struct {
	StatusAddress string `json:"statusAddress"`
}

type database struct {
	Type       string `json:"type"`
	DataSource string `json:"dataSource"`
}

type authority struct {
	Provisioners []*entry `json:"provisioners"`
}

// create plans a CA of its own, in the folders that step uses.
func (o *Options) create() (*Plan, error) {
	certificates, secrets := filepath.Join(o.dir, "certs"), filepath.Join(o.dir, "secrets")
	p := &Plan{config: filepath.Join(o.dir, "config", "ca.json")}
	c := caConfig{
		Root:            filepath.Join(certificates, "root_ca.crt"),
		Certificate:     filepath.Join(certificates, "intermediate_ca.crt"),
		Key:             filepath.Join(secrets, "intermediate_ca_key"),
		Address:         o.address,
		InsecureAddress: o.insecureAddress,
		DNSNames:        names(o.dns),
		Logger:          map[string]any{"format": "json"},
		DB:              database{Type: "badgerv2", DataSource: filepath.Join(o.dir, "db")},
	}
	if o.statusAddress != "" {
		c.Intune = &statusObject{o.statusAddress}
		p.guide.hasStatus = true
	}
	p.folders = []string{c.DB.DataSource}
	password, err := p.addPassword(o, filepath.Join(secrets, "password"))
	if err != nil {
		return nil, err
	}
	root, err := o.keys.newRoot(o.name, o.kty)
	if err != nil {
		return nil, fmt.Errorf("making the root: %w", err)
	}
	intermediate, err := o.keys.newIntermediate(root, o.name, o.kty)
	if err != nil {
		return nil, fmt.Errorf("making the intermediate: %w", err)
	}
	p.guide.rootKey = filepath.Join(secrets, "root_ca_key")
	for _, i := range []struct {
		*issuer
		certificateFile, keyFile, what string
	}{
		{root, c.Root, p.guide.rootKey, "root"},
		{intermediate, c.Certificate, c.Key, "intermediate"},
	} {
		key, err := keyPEM(i.key, password)
		if err != nil {
			return nil, err
		}
		p.add(i.certificateFile, certificatePEM(i.certificate), true, i.what+" certificate")
		p.add(i.keyFile, key, false, i.what+" key, encrypted with the password")
	}
	e := o.newEntry(p.addSecret(o, secrets))
	if !canServeSCEP(intermediate.certificate) {
		if err := p.addDecrypter(o.keys, e, intermediate, certificates, secrets); err != nil {
			return nil, err
		}
	}
	c.Authority.Provisioners = []*entry{e}
	if p.new, err = json.MarshalIndent(c, "", "  "); err != nil {
		return nil, err
	}
	p.new = append(p.new, '\n')
	p.guide.tenant, p.guide.clientID, p.guide.provisioner = o.tenant, o.clientID, o.provisioner
	p.guide.root, p.guide.rootFile = root.certificate, c.Root
	p.guide.intermediate, p.guide.intermediateFile = intermediate.certificate, c.Certificate
	p.guide.names, p.guide.address, p.guide.insecureAddress = c.DNSNames, c.Address, c.InsecureAddress
	return p, p.refuseOverwrite("dir")
}

// addPassword returns the operator's password, or a new one and plans its file.
func (p *Plan) addPassword(o *Options, path string) ([]byte, error) {
	if o.passwordFile != "" {
		p.guide.passwordFile = o.passwordFile
		return readPassword(o.passwordFile)
	}
	password, err := randutil.Alphanumeric(32)
	if err != nil {
		return nil, err
	}
	p.guide.passwordFile = path
	p.add(path, []byte(password+"\n"), false, "password of the keys")
	return []byte(password), nil
}

// readPassword reads a password as step-ca does.
func readPassword(file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, flagged("password-file", err)
	}
	return []byte(strings.TrimRightFunc(string(content), unicode.IsSpace)), nil
}
