package intune_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// startSim runs a simulator of Microsoft's side for the time of the test.
func startSim(t testing.TB, o intunesim.Options) *intunesim.Server {
	t.Helper()
	sim, err := intunesim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return sim
}

// simConfig is the configuration for a simulator's tenant.
func simConfig(sim *intunesim.Server) intune.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.RootPEM())
	return intune.Config{
		Tenant:     intunesim.DefaultTenant,
		ClientID:   intunesim.DefaultClientID,
		Credential: intune.ClientSecret(intunesim.DefaultSecret),
		Endpoints:  intune.Endpoints{Login: sim.URL(), Graph: sim.URL(), Intune: sim.URL()},
		TLS:        &tls.Config{RootCAs: roots},
		CallerInfo: "Contoso CA 1.0",
		Retries:    2,
	}
}

func newClient(t testing.TB, cfg intune.Config) *intune.Client {
	t.Helper()
	client, err := intune.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// newRequest returns a genuine certificate request.
func newRequest(t testing.TB, sim *intunesim.Server) []byte {
	t.Helper()
	challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-1", DeviceID: "device-1"})
	if err != nil {
		t.Fatal(err)
	}
	return requestWith(t, "CN=device-1", challenge)
}

func requestWith(t testing.TB, subject, challenge string) []byte {
	t.Helper()
	r, err := device.Windows(subject, challenge).Build()
	if err != nil {
		t.Fatal(err)
	}
	return r.DER
}

// issue makes the certificate of a very small CA.
func issue(t testing.TB, csr []byte) *x509.Certificate {
	t.Helper()
	cert, err := sign(csr)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func sign(csr []byte) (*x509.Certificate, error) {
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "Contoso CA"}}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), RawSubject: request.RawSubject,
		NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour),
	}, ca, request.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
