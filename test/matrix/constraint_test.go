package matrix

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"go.step.sm/crypto/pemutil"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestNamesBeyondTheNameConstraintsAreReportedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]func(map[string]any){"intune": nil}, nil, constrain)
	s.checkNames(t, map[string]named{
		"a DNS name":                       {sans: []intunesim.SAN{dns("pc.denied.example")}, hint: "pc.denied.example"},
		"a DNS name in capitals":           {sans: []intunesim.SAN{dns("PC.Denied.Example")}, hint: "PC.Denied.Example"},
		"a DNS name after others":          {sans: []intunesim.SAN{dns("pc.contoso.example"), mail("a@contoso.example"), dns("pc.denied.example")}, hint: "pc.denied.example"},
		"an e-mail address":                {sans: []intunesim.SAN{mail("alice@fabrikam.example")}, hint: "alice@fabrikam.example"},
		"a UPN":                            {sans: []intunesim.SAN{user("alice@fabrikam.example")}, hint: "alice@fabrikam.example"},
		"an IP address":                    {sans: []intunesim.SAN{ip("192.0.2.7")}, hint: "192.0.2.7"},
		"a common name that is a DNS name": {subject: "CN=pc.denied.example", hint: "pc.denied.example"},
		"a common name that is an address": {subject: "CN=alice@fabrikam.example", hint: "alice@fabrikam.example"},
		"a common name that is an IP":      {subject: "CN=192.0.2.7", hint: "192.0.2.7"},
		"an address in the subject":        {subject: "CN=device-1,emailAddress=alice@fabrikam.example", hint: "alice@fabrikam.example"},
		"the first of two common names":    {subject: "CN=device-1,CN=pc.denied.example,O=Contoso", hint: "pc.denied.example"},
		"the second of two common names":   {subject: "CN=pc.denied.example,CN=device-1,O=Contoso", hint: "pc.denied.example"},
	}, failed)
	s.checkNames(t, map[string]named{
		"other names": {subject: "CN=pc.contoso.example,O=Contoso", sans: []intunesim.SAN{
			dns("pc.contoso.example"), mail("alice@contoso.example"), ip("198.51.100.7"), uri("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1001")}},
		"a common name of two words": {subject: "CN=Alice Smith"},
	}, issued)
}

// constrain replaces the CA's root and intermediate by one that may not issue
// for everybody.
func constrain(a *harness.Authority) error {
	keys := device.Keys(2)
	_, denied, err := net.ParseCIDR("192.0.2.0/24")
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{Organization: []string{"Contoso"}, CommonName: "Contoso Root CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		BasicConstraintsValid: true,
		IsCA:                  true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	if a.Root, err = create(template, template, keys[0], keys[0]); err != nil {
		return err
	}
	template.SerialNumber = big.NewInt(2)
	template.Subject.CommonName = "Contoso Constrained CA"
	template.PermittedDNSDomainsCritical = true
	template.ExcludedDNSDomains = []string{"denied.example"}
	template.PermittedEmailAddresses = []string{"contoso.example"}
	template.ExcludedIPRanges = []*net.IPNet{denied}
	if a.Intermediate, err = create(template, a.Root, keys[1], keys[0]); err != nil {
		return err
	}
	key, err := pemutil.Serialize(keys[1], pemutil.WithPassword([]byte(harness.Password)))
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"root.crt":         {Type: "CERTIFICATE", Bytes: a.Root.Raw},
		"intermediate.crt": {Type: "CERTIFICATE", Bytes: a.Intermediate.Raw},
		"intermediate.key": key,
	} {
		if err := os.WriteFile(a.File(name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func create(template, parent *x509.Certificate, key *rsa.PrivateKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
