package setup

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/pki"
	"go.step.sm/crypto/kms"
	kmsapi "go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/pemutil"
)

// extend plans one more provisioner for a CA that is there.
func (o *Options) extend() (*Plan, error) {
	p, err := o.extension()
	if err != nil {
		return nil, flagged("existing", fmt.Errorf("%s: %w", o.existing, err))
	}
	return p, p.refuseOverwrite("provisioner")
}

func (o *Options) extension() (*Plan, error) {
	// A link is followed: what it leads to is to be replaced, not the link.
	path, err := filepath.EvalSymlinks(o.existing)
	if err != nil {
		return nil, err
	}
	p := &Plan{config: path}
	if p.old, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	c, err := config.LoadConfiguration(path)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(c.AuthorityConfig.DeploymentType, pki.LinkedDeployment.String()) {
		return nil, errors.New("authority.deploymentType is \"linked\": such a CA has no provisioners of its own")
	}
	if !c.AuthorityConfig.Options.Is(apiv1.SoftCAS) {
		return nil, fmt.Errorf("authority.type is %q: an Intune provisioner needs a CA that signs itself", c.AuthorityConfig.Options.Type)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	chain, err := pemutil.ReadCertificateBundle(c.IntermediateCert)
	if err != nil {
		return nil, fmt.Errorf("crt: %w", err)
	}
	root, err := pemutil.ReadCertificate(c.Root[0], pemutil.WithFirstBlock())
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	certificates, keys := filepath.Dir(c.IntermediateCert), filepath.Dir(path)
	if _, err := os.Stat(c.IntermediateKey); err == nil { // else it is the URI of a key management system
		keys, p.caKey = filepath.Dir(c.IntermediateKey), c.IntermediateKey
	}
	e := o.newEntry(p.addSecret(o, keys))
	if !canServeSCEP(chain[0]) {
		ca, err := o.openIntermediate(c, chain[0])
		if err != nil {
			return nil, err
		}
		if err := p.addDecrypter(o.keys, e, ca, certificates, keys); err != nil {
			return nil, err
		}
	}
	if p.new, err = insert(p.old, e); err != nil {
		return nil, err
	}
	p.guide = guide{
		tenant: o.tenant, clientID: o.clientID, provisioner: o.provisioner, secretFile: o.secretFile,
		root: root, rootFile: c.Root[0], intermediate: chain[0], intermediateFile: c.IntermediateCert,
		passwordFile: o.passwordFile, names: c.DNSNames, address: c.Address, insecureAddress: c.InsecureAddress,
	}
	return p, nil
}

// openIntermediate opens the key of the CA, which issues the certificate for SCEP. It may be
// in a key management system.
func (o *Options) openIntermediate(c *config.Config, certificate *x509.Certificate) (*issuer, error) {
	options := kmsapi.Options{Type: kmsapi.SoftKMS}
	if c.KMS != nil {
		options = *c.KMS
	}
	manager, err := kms.New(context.Background(), options)
	if err != nil {
		return nil, fmt.Errorf("kms: %w", err)
	}
	defer manager.Close()
	var password []byte // nil: ask
	switch {
	case o.passwordFile != "":
		if password, err = readPassword(o.passwordFile); err != nil {
			return nil, err
		}
	case c.Password != "":
		password = []byte(c.Password)
	}
	key, err := manager.CreateSigner(&kmsapi.CreateSignerRequest{
		SigningKey:       c.IntermediateKey,
		Password:         password,
		PasswordPrompter: o.askPassword,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the key of the CA: %w", err)
	}
	return &issuer{certificate: certificate, key: key}, nil
}

// askPassword is asked for the password of an encrypted key.
func (o *Options) askPassword(question string) ([]byte, error) {
	if o.ask == nil {
		return nil, flagged("password-file", errors.New("is missing, and the key of the CA is encrypted: it issues the certificate for SCEP"))
	}
	password, err := o.ask.AskSecret(question, func(string) error { return nil })
	return []byte(password), err
}
