package provisioner

import (
	"crypto"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/pkcs7"
)

func TestStepCALetsKeysThroughThatAreNotRSA(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, serveCA(t, mustAuthority(t, writeCA(t, nil, scepEntry("scep")))), "scep")
	for name, key := range map[string]crypto.Signer{"Ed25519": edwards, "P-256": ecKey()} {
		csr := device1("static")
		csr.Key = key
		if r := enrol(t, c, csr); r.Certificate == nil {
			t.Errorf("%s: %s", name, show(r))
		}
	}
}

func TestStepCAEncryptsWithDESUnlessToldOtherwise(t *testing.T) {
	entry := scepEntry("scep")
	delete(entry, "encryptionAlgorithmIdentifier")
	p, err := mustAuthority(t, writeCA(t, nil, entry)).LoadProvisionerByName("scep")
	if err != nil {
		t.Fatal(err)
	}
	if n := p.(*provisioner.SCEP).GetContentEncryptionAlgorithm(); n != pkcs7.EncryptionAlgorithmDESCBC || aes256CBC != pkcs7.EncryptionAlgorithmAES256CBC {
		t.Errorf("the default is %d; AES-256-CBC is %d", n, pkcs7.EncryptionAlgorithmAES256CBC)
	}
}

func TestStepCAAllowsTwentyFourHoursUnlessToldOtherwise(t *testing.T) {
	if d := config.GlobalProvisionerClaims.MaxTLSDur.Duration; d != 24*time.Hour {
		t.Errorf("it allows %s", d)
	}
}

func TestStepCARefusesAValidityBeyondTheClaims(t *testing.T) {
	entry := with(scepEntry("scep"), "8761h", "claims", "defaultTLSCertDuration")
	p, err := mustAuthority(t, writeCA(t, nil, entry)).LoadProvisionerByName("scep")
	if err != nil {
		t.Fatal(err)
	}
	if _, broken := p.(provisioner.Uninitialized); !broken {
		t.Error("a default beyond the maximum is accepted")
	}
}

func TestStepCALoadsNoOtherProvisionerUnderANameThatIsTaken(t *testing.T) {
	if _, err := newAuthority(t, writeCA(t, nil, scepEntry("same"), object{"type": "ACME", "name": "same"})); err == nil {
		t.Error("two provisioners share a name")
	}
}

func TestStepCAFindsAnEntryOfTheOtherTypeForSCEPUnsuitable(t *testing.T) {
	server := serveCA(t, mustAuthority(t, writeCA(t, nil, scepEntry("scep"), object{"type": "ACME", "name": "acme"})))
	m, err := device1("static").Build()
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, server, "scep")
	message, err := c.Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	other := *c
	other.URL = server.URL + "/scep/acme"
	if r, err := other.Send(t.Context(), message); err != nil || r.Status != "" || r.HTTPStatus != 500 {
		t.Errorf("%s, %v", show(r), err)
	}
}
