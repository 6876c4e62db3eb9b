package provisioner

import (
	"context"
	"crypto"
	"errors"
	"os"
	"strings"

	"go.step.sm/crypto/kms"
	kmsapi "go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/pemutil"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// setCredential sets the tenant, the application and the one credential that is there.
func (s *settings) setCredential(conf *intune.Config) (err error) {
	c := s.Credential
	switch {
	case s.Tenant == "":
		return keyError("tenant", "is missing")
	case c == nil:
		return keyError("credential", "is missing")
	case s.ClientID == "" && c.ManagedIdentity == "":
		return keyError("clientID", "is missing")
	}
	kinds := 0
	for _, set := range []bool{c.SecretFile != "", c.SecretEnv != "", c.Certificate != "" || c.Key != "", c.FederatedTokenFile != "", c.ManagedIdentity != ""} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return keyError("credential", "exactly one of secretFile, secretEnv, certificate with key, federatedTokenFile and managedIdentity is needed, not %d", kinds)
	}
	conf.Credential, err = c.credential()
	return err
}

func (c *credentialSettings) credential() (intune.Credential, error) {
	switch {
	case c.SecretFile != "":
		return intune.SecretFile(c.SecretFile), notEmpty("credential.secretFile", c.SecretFile)
	case c.SecretEnv != "":
		if os.Getenv(c.SecretEnv) == "" {
			return nil, keyError("credential.secretEnv", "the environment variable %q is not set", c.SecretEnv)
		}
		return intune.SecretEnv(c.SecretEnv), nil
	case c.FederatedTokenFile != "":
		return intune.FederatedTokenFile(c.FederatedTokenFile), notEmpty("credential.federatedTokenFile", c.FederatedTokenFile)
	case c.ManagedIdentity != "":
		return intune.ManagedIdentity(c.ManagedIdentity), nil
	default:
		return c.certificate()
	}
}

// certificate opens the application's certificate and key. The key can stay in hardware.
func (c *credentialSettings) certificate() (intune.Credential, error) {
	switch {
	case c.Certificate == "":
		return nil, keyError("credential.certificate", "is missing")
	case c.Key == "":
		return nil, keyError("credential.key", "is missing")
	}
	certs, err := pemutil.ReadCertificateBundle(c.Certificate)
	if err != nil {
		return nil, keyError("credential.certificate", "%w", err)
	}
	signer, err := openSigner(c.Key)
	if err != nil {
		return nil, keyError("credential.key", "%w", err)
	}
	return intune.ClientCertificate(certs, signer), nil
}

// openSigner opens a private key: a PEM file, or a step KMS URI of a type that the binary
// links.
func openSigner(key string) (crypto.Signer, error) {
	typ := kmsapi.SoftKMS
	if strings.Contains(key, ":") { // a KMS URI; TypeOf refuses a path
		var err error
		if typ, err = kmsapi.TypeOf(key); err != nil {
			return nil, err
		}
	}
	manager, err := kms.New(context.Background(), kms.Options{Type: typ, URI: key})
	if err != nil {
		return nil, err
	}
	return manager.CreateSigner(&kmsapi.CreateSignerRequest{
		SigningKey:       key,
		PasswordPrompter: kmsapi.NonInteractivePasswordPrompter,
	})
}

// notEmpty returns an error for a file that cannot be read or holds nothing.
func notEmpty(key, file string) error {
	content, err := os.ReadFile(file)
	if err == nil && strings.TrimSpace(string(content)) == "" {
		err = errors.New(file + " is empty")
	}
	if err != nil {
		return keyError(key, "%w", err)
	}
	return nil
}
