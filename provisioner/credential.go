package provisioner

import (
	"context"
	"crypto"
	"errors"
	"os"
	"regexp"
	"strconv"
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
			return nil, keyError("credential.secretEnv", "%s is not set", shown(c.SecretEnv, envName.MatchString(c.SecretEnv), "the environment variable"))
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
			return nil, errors.New("is not a KMS URI of a known type")
		}
	}
	manager, err := kms.New(context.Background(), kms.Options{Type: typ, URI: key})
	if err != nil {
		return nil, withoutKey(err, key)
	}
	signer, err := manager.CreateSigner(&kmsapi.CreateSignerRequest{
		SigningKey:       key,
		PasswordPrompter: kmsapi.NonInteractivePasswordPrompter,
	})
	if err != nil {
		return nil, withoutKey(err, key)
	}
	return signer, nil
}

// withoutKey takes a KMS URI, which may hold a PIN, out of an error.
func withoutKey(err error, key string) error {
	if _, rest, isURI := strings.Cut(key, ":"); isURI {
		return errors.New(strings.ReplaceAll(err.Error(), rest, "***"))
	}
	return err
}

// envName is what the names of environment variables look like.
var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// shown is a value for an error if it looks like one of its kind: whoever writes the secret
// itself there must not find it in the log.
func shown(value string, fits bool, kind string) string {
	if fits {
		return kind + " " + strconv.Quote(value)
	}
	return kind + " that it names"
}

// notEmpty returns an error for a file that cannot be read or holds nothing.
func notEmpty(key, file string) error {
	content, err := os.ReadFile(file)
	if err == nil && strings.TrimSpace(string(content)) == "" {
		err = errors.New("is empty")
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if err != nil {
		return keyError(key, "%s: %w", shown(file, strings.ContainsAny(file, `/\`), "the file"), err)
	}
	return nil
}
