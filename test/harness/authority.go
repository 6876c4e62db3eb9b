package harness

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"go.step.sm/crypto/pemutil"
)

// Database is the type of step-ca's database.
type Database string

// The databases that run without a server.
const (
	Badger     Database = "badgerv2"
	Bolt       Database = "bbolt"
	NoDatabase Database = ""
)

// Options describe a CA to be made. The zero value is one with an RSA
// intermediate, without a database and without provisioners.
type Options struct {
	Database Database

	// EllipticIntermediate makes an ECDSA intermediate; every provisioner for
	// SCEP then gets an RSA decrypter.
	EllipticIntermediate bool

	// Like is a CA whose root, intermediate and keys are copied instead of made.
	Like *Authority

	// Provisioners are the entries of authority.provisioners.
	Provisioners []map[string]any

	// Edit may change anything in ca.json before it is written.
	Edit func(config map[string]any)

	// Flags are given to step-ca beside the configuration and the password, Env
	// ("NAME=value") beside the environment of the caller.
	Flags, Env []string
}

// Authority is a CA's files in one folder, written by [NewCA].
type Authority struct {
	Dir             string
	Address         string // of the HTTPS server
	InsecureAddress string // of the HTTP server
	Root            *x509.Certificate
	Intermediate    *x509.Certificate

	decrypter *issuer
	flags     []string
	env       []string
}

// Password protects the intermediate's key.
const Password = "correct horse battery staple"

// NewCA writes root, intermediate, password file and ca.json into dir, which it
// makes when it is missing.
func NewCA(dir string, o Options) (*Authority, error) {
	a := &Authority{Dir: dir, flags: o.Flags, env: o.Env}
	if err := a.create(o); err != nil {
		return nil, fmt.Errorf("making a CA: %w", err)
	}
	return a, nil
}

func (a *Authority) create(o Options) (err error) {
	if err = os.MkdirAll(a.Dir, 0o700); err != nil {
		return err
	}
	if a.Address, err = FreeAddress(); err != nil {
		return err
	}
	if a.InsecureAddress, err = FreeAddress(); err != nil {
		return err
	}
	if o.Like != nil {
		return a.copy(o)
	}
	root, err := newIssuer("Contoso Root CA", nil, true, true)
	if err != nil {
		return err
	}
	intermediate, err := newIssuer("Contoso Issuing CA", root, true, o.EllipticIntermediate)
	if err != nil {
		return err
	}
	a.Root, a.Intermediate = root.certificate, intermediate.certificate
	if o.EllipticIntermediate {
		if a.decrypter, err = newIssuer("Contoso SCEP RA", intermediate, false, false); err != nil {
			return err
		}
	}
	if err := a.writeKeys(intermediate); err != nil {
		return err
	}
	return a.writeConfig(a.config(o))
}

// copy takes the files of another CA.
func (a *Authority) copy(o Options) error {
	a.Root, a.Intermediate, a.decrypter = o.Like.Root, o.Like.Intermediate, o.Like.decrypter
	for _, name := range []string{"root.crt", "intermediate.crt", "intermediate.key", "password"} {
		content, err := os.ReadFile(o.Like.File(name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(a.File(name), content, 0o600); err != nil {
			return err
		}
	}
	return a.writeConfig(a.config(o))
}

func (a *Authority) writeKeys(intermediate *issuer) error {
	key, err := pemutil.Serialize(intermediate.key, pemutil.WithPassword([]byte(Password)))
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"root.crt":         certificatePEM(a.Root),
		"intermediate.crt": certificatePEM(a.Intermediate),
		"intermediate.key": pem.EncodeToMemory(key),
		"password":         []byte(Password + "\n"),
	} {
		if err := os.WriteFile(a.File(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// File returns the path of a file of the CA.
func (a *Authority) File(name string) string { return filepath.Join(a.Dir, name) }

// Roots returns a pool with the CA's root.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Root)
	return pool
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
