package provisioner

import (
	"context"
	"crypto/x509"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/smallstep/certificates/cas/apiv1"

	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

// bench is one Intune provisioner that no step-ca serves: the test plays step-ca.
type bench struct {
	*entry
	client *fakeClient
	out    *syncBuffer
	inner  apiv1.CertificateAuthorityService
}

func newBench(t testing.TB) *bench {
	t.Helper()
	limits, err := profile.Settings{}.Profile()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{client: newFakeClient(), out: new(syncBuffer), inner: mustSoftCAS(t)}
	log := slog.New(slog.NewTextHandler(b.out, nil))
	b.entry = &entry{
		name: "intune", caID: "CN=ca", client: b.client, profile: limits, timeout: 10 * time.Second,
		limiter: newLimiter(8), instance: newInstance(mustAuthority(t, writeCA(t, nil)), log), log: log,
	}
	b.instance.entries["intune"] = b.entry
	if b.instance.state, err = openState(report.Memory(), false, log); err != nil {
		t.Fatal(err)
	}
	b.instance.state.deliver(b.instance)
	t.Cleanup(b.stopDelivery)
	return b
}

// stopDelivery ends the delivery for good.
func (b *bench) stopDelivery() {
	s := b.instance.state
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt()
	s.ended = true
}

// pkcs10 returns a new certificate request.
func pkcs10(t testing.TB) []byte {
	t.Helper()
	r, err := device1("a challenge of some length").Build()
	if err != nil {
		t.Fatal(err)
	}
	return r.DER
}

func mustParse(t testing.TB, der []byte) *x509.CertificateRequest {
	t.Helper()
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// routed returns a context with a route context of its own, as chi gives each request one.
func routed(ctx context.Context) context.Context {
	return context.WithValue(ctx, chi.RouteCtxKey, chi.NewRouteContext())
}

// challenge is step-ca's SCEPCHALLENGE call.
func challenge(csr []byte) webhook.Challenge {
	return webhook.Challenge{TransactionID: "tx-1", RequestID: "request-1", CSR: csr, Password: "a challenge of some length"}
}

// requestFor is step-ca's request for the certificate of a CSR.
func requestFor(csr *x509.CertificateRequest) *apiv1.CreateCertificateRequest {
	now := time.Now()
	return &apiv1.CreateCertificateRequest{
		CSR: csr, Lifetime: time.Hour, Provisioner: &apiv1.ProvisionerInfo{Name: "intune"},
		Template: &x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()), RawSubject: csr.RawSubject, PublicKey: csr.PublicKey,
			KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotBefore: now, NotAfter: now.Add(time.Hour),
		},
	}
}

// sign plays step-ca's request for a certificate.
func (b *bench) sign(t testing.TB, csr []byte) (*x509.Certificate, error) {
	t.Helper()
	r, err := b.createCertificate(b.inner, requestFor(mustParse(t, csr)))
	if err != nil {
		return nil, err
	}
	return r.Certificate, nil
}

// issued and failure play step-ca's NOTIFYING call.
func (b *bench) issued(ctx context.Context, csr []byte, cert *x509.Certificate) {
	if err := b.Notify(ctx, webhook.Notification{TransactionID: "tx-1", CSR: csr, Certificate: cert.Raw}); err != nil {
		b.out.Write([]byte("cut off: " + err.Error() + "\n"))
	}
}

func (b *bench) failure(ctx context.Context, csr []byte, text string) {
	_ = b.Notify(ctx, webhook.Notification{TransactionID: "tx-1", CSR: csr, Failure: text})
}

// running returns what the helpers of a whole CA check.
func (b *bench) running() *running { return &running{instance: b.instance, log: b.out} }
