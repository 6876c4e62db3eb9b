package provisioner

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"unicode"

	"github.com/smallstep/certificates/cas/apiv1"
	"go.step.sm/crypto/kms"
	kmsapi "go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/pemutil"
)

// authority looks at the issuing CA.
func (x *examination) authority(ctx context.Context) {
	x.area = "CA"
	var typ apiv1.Type
	if o := x.conf.AuthorityConfig.Options; o != nil {
		typ = apiv1.Type(o.Type)
	}
	typ = apiv1.Type(typ.String())
	x.mistakes(suitable(x.conf, typ, x.intune))
	if typ != apiv1.SoftCAS {
		return
	}
	x.certificates()
	x.key(ctx)
	x.addresses()
}

// certificates reads the chain and the roots.
func (x *examination) certificates() {
	const advice = "Correct root or crt in ca.json."
	for _, file := range x.conf.Root {
		roots, err := pemutil.ReadCertificateBundle(file)
		if err != nil {
			x.problem(advice, "root: %v", err)
		}
		x.roots = append(x.roots, roots...)
	}
	var err error
	if x.chain, err = pemutil.ReadCertificateBundle(x.conf.IntermediateCert); err != nil {
		x.problem(advice, "crt: %v", err)
		return
	}
	issuer := x.chain[0]
	if !x.valid("the issuing CA", issuer) {
		return
	}
	if !issuer.IsCA {
		x.problem("Put the certificate of the issuing CA first in the file that crt names.", "%s is no certificate of a CA", nameOf(issuer))
		return
	}
	pool, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range x.roots {
		pool.AddCert(c)
	}
	for _, c := range x.chain[1:] {
		between.AddCert(c)
	}
	if _, err := issuer.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		x.problem("Name the root that issued it as root in ca.json, and put the certificates between them into the file that crt names.",
			"%s does not lead to the CA's root: %v", nameOf(issuer), err)
		return
	}
	if _, err := newNameConstraints(append(x.roots, x.chain...)...); err != nil {
		x.problem("Correct the name constraints of the CA's certificates.", "%v", err)
	}
	x.ok("issuing CA %s, %s, until %s", nameOf(issuer), keyKind(issuer), issuer.NotAfter.Format("2006-01-02"))
}

// key opens the key of the issuing CA, without asking anybody for a password.
func (x *examination) key(ctx context.Context) {
	x.readPassword()
	var options kmsapi.Options
	if x.conf.KMS != nil {
		options = *x.conf.KMS
	}
	manager, err := kms.New(ctx, options)
	if err != nil {
		x.problem("Correct kms in ca.json, and let the user that runs step-ca use it.", "kms cannot be opened: %v", withoutKey(err, options.URI))
		return
	}
	x.manager = manager // it stays open: the keys are still to be tried
	key := x.conf.IntermediateKey
	signer, err := manager.CreateSigner(&kmsapi.CreateSignerRequest{
		SigningKey: key, Password: x.password, PasswordPrompter: kmsapi.NonInteractivePasswordPrompter,
	})
	switch {
	case errors.Is(err, kmsapi.ErrNonInteractivePasswordPrompt):
		x.warn("Give --password-file as you give it to step-ca.", "the CA's key is encrypted: it was not opened")
		return
	case err != nil:
		x.problem("Check key in ca.json, the password, and that the user that runs step-ca may read and use the key.",
			"the CA's key cannot be opened: %v", withoutKey(err, key))
		return
	}
	if len(x.chain) > 0 && !sameKey(signer.Public(), x.chain[0].PublicKey) {
		x.problem("Let crt and key in ca.json name a certificate and the key that belongs to it.", "the CA's key is not that of %s", nameOf(x.chain[0]))
		return
	}
	x.signer = signer
	x.ok("the CA's key can be opened")
	if d, ok := manager.(kmsapi.Decrypter); ok {
		x.decrypter, _ = d.CreateDecrypter(&kmsapi.CreateDecrypterRequest{
			DecryptionKey: key, Password: x.password, PasswordPrompter: kmsapi.NonInteractivePasswordPrompter,
		})
	}
}

// readPassword reads the password of the CA's key where step-ca would.
func (x *examination) readPassword() {
	if x.conf.Password != "" {
		x.password = []byte(x.conf.Password)
	}
	if x.PasswordFile == "" {
		return
	}
	content, err := os.ReadFile(x.PasswordFile)
	if err != nil {
		x.problem("Let the user that runs step-ca read the file, and nobody else.", "the password file cannot be read: %v", err)
		return
	}
	x.password = []byte(strings.TrimRightFunc(string(content), unicode.IsSpace))
	x.hide(string(x.password))
}
