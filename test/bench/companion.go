package bench

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// companion makes the two calls of an enrolment beside one at the stock step-ca, so that
// simulator and network cost both sides the same.
type companion struct {
	client      *intune.Client
	certificate *x509.Certificate // the pattern of those that are reported
}

func newCompanion(sim *intunesim.Control, rootFile string, pattern *x509.Certificate) (*companion, error) {
	root, err := os.ReadFile(rootFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	client, err := intune.New(intune.Config{
		Tenant: intunesim.DefaultTenant, ClientID: intunesim.DefaultClientID,
		Credential:          intune.ClientSecret(intunesim.DefaultSecret),
		CallerInfo:          "step-ca-intune bench",
		Endpoints:           intune.Endpoints{Login: sim.URL(), Graph: sim.URL() + "/", Intune: sim.URL() + "/"},
		AllowedServiceHosts: []string{"127.0.0.1"},
		TLS:                 &tls.Config{RootCAs: pool},
		Timeout:             10 * time.Second, Retries: 2,
	})
	return &companion{client: client, certificate: pattern}, err
}

// errand is what the companion does for one enrolment, prepared.
type errand struct {
	transaction string
	csr         []byte
	issued      intune.Issued
}

// errands prepares n of them.
func (b *bench) errands(n int) ([]errand, error) {
	all := make([]errand, n)
	err := parallel(n, func(i int) error {
		r, err := b.request(b.challenge)
		if err != nil {
			return err
		}
		// Its thumbprint is its own, and nobody looks further.
		certificate := *b.companion.certificate
		certificate.Raw = make([]byte, len(certificate.Raw))
		rand.Read(certificate.Raw)
		certificate.SerialNumber = new(big.Int).SetBytes(certificate.Raw[:16])
		all[i] = errand{
			transaction: fmt.Sprintf("%X", certificate.Raw[:20]), csr: r.DER,
			issued: intune.Issued{Certificate: &certificate, CAConfiguration: "CN=bench", CertificateAuthority: "CN=bench"},
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("preparing calls to Intune: %w", err)
	}
	return all, nil
}

func (c *companion) before(ctx context.Context, e errand) error {
	_, err := c.client.ValidateRequest(ctx, e.transaction, e.csr)
	return err
}

func (c *companion) after(ctx context.Context, e errand) error {
	_, err := c.client.SendSuccessNotification(ctx, e.transaction, e.csr, e.issued)
	return err
}
