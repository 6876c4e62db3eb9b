package device_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// authority is a SCEP server of a few lines. Its fields can make it lie.
type authority struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey

	alter   func(*scep.PKIMessage)
	signer  *authority
	issuer  *authority
	subject crypto.PublicKey
	refuse  bool
	status  int
}

func newAuthority(t *testing.T, key *rsa.PrivateKey) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: t.Name()}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{certificate: certificate(t, template, template, key.Public(), key), key: key}
}

func certificate(t *testing.T, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("operation") {
	case "GetCACaps":
		io.WriteString(w, "AES\nPOSTPKIOperation")
	case "GetCACert":
		w.Write(a.certificate.Raw)
	case "PKIOperation":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		if a.status != 0 {
			http.Error(w, "no", a.status)
			return
		}
		answer, err := a.answer(body)
		if err != nil {
			panic(err)
		}
		w.Write(answer)
	}
}

func (a *authority) answer(body []byte) ([]byte, error) {
	m, err := scep.ParsePKIMessage(body)
	if err != nil {
		return nil, err
	}
	if err := m.DecryptPKIEnvelope(a.certificate, a.key); err != nil {
		return nil, err
	}
	if a.alter != nil {
		a.alter(m)
	}
	var reply *scep.PKIMessage
	if a.refuse {
		reply, err = m.Fail(a.signer.certificate, a.signer.key, scep.BadRequest)
	} else {
		var der []byte
		template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), Subject: m.CSR.Subject}
		public := a.subject
		if public == nil {
			public = m.CSR.PublicKey
		}
		if der, err = x509.CreateCertificate(rand.Reader, template, a.issuer.certificate, public, a.issuer.key); err != nil {
			return nil, err
		}
		var leaf *x509.Certificate
		if leaf, err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
		reply, err = m.Success(a.signer.certificate, a.signer.key, leaf)
	}
	if err != nil {
		return nil, err
	}
	return reply.Raw, nil
}

func connect(t *testing.T, a *authority) *device.Client {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	if a.signer == nil {
		a.signer = a
	}
	if a.issuer == nil {
		a.issuer = a
	}
	c, err := device.Connect(t.Context(), server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheDeviceTakesAnHonestAnswerOnly(t *testing.T) {
	keys := device.Keys(4)
	tests := map[string]struct {
		lie  func(a, other *authority)
		want string // in the error
	}{
		"an honest one":                        {func(_, _ *authority) {}, ""},
		"for another transaction":              {func(a, _ *authority) { a.alter = func(m *scep.PKIMessage) { m.TransactionID = "other" } }, "transaction"},
		"to another nonce":                     {func(a, _ *authority) { a.alter = func(m *scep.PKIMessage) { m.SenderNonce = make([]byte, 16) } }, "nonce"},
		"signed by somebody else":              {func(a, other *authority) { a.signer = other }, "signed by somebody else"},
		"with a certificate of another CA":     {func(a, other *authority) { a.issuer = other }, "not signed by the CA"},
		"with a certificate for another key":   {func(a, other *authority) { a.subject = other.key.Public() }, "another key"},
		"that refuses, signed by someone else": {func(a, other *authority) { a.refuse, a.signer = true, other }, "signed by somebody else"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, other := newAuthority(t, keys[0]), newAuthority(t, keys[1])
			test.lie(a, other)
			result, err := connect(t, a).Enrol(t.Context(), device.CSR{Subject: "CN=x", Key: keys[2]})
			switch {
			case test.want == "" && (err != nil || result.Status != scep.SUCCESS || result.Certificate == nil):
				t.Errorf("got %+v, %v", result, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %+v, %v", result, err)
			}
		})
	}
}

func TestARefusalIsAResult(t *testing.T) {
	a := newAuthority(t, device.Keys(1)[0])
	a.refuse = true
	result, err := connect(t, a).Enrol(t.Context(), device.CSR{})
	if err != nil || result.Status != scep.FAILURE || result.FailInfo != scep.BadRequest || result.Certificate != nil {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestAnAnswerThatIsNotSCEPIsAResultWithoutStatus(t *testing.T) {
	a := newAuthority(t, device.Keys(1)[0])
	a.status = http.StatusInternalServerError
	result, err := connect(t, a).Send(t.Context(), &device.Message{DER: []byte("not CMS")})
	if err != nil || result.HTTPStatus != a.status || result.Status != "" || string(result.Body) != "no\n" {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestTheTransactionIDIsTheOneGiven(t *testing.T) {
	for _, id := range []string{"a+b/c=", strings.Repeat("7", 77), "Grüße"} {
		c := connect(t, newAuthority(t, device.Keys(1)[0]))
		r := build(t, device.CSR{})
		r.TransactionID = id
		m, err := c.Prepare(r)
		if err != nil {
			t.Fatal(err)
		}
		result, err := c.Send(t.Context(), m)
		if err != nil || result.TransactionID != id {
			t.Errorf("sent %q, got %+v, %v", id, result, err)
		}
	}
}

func TestDevicesMayEnrolAtTheSameTime(t *testing.T) {
	c := connect(t, newAuthority(t, device.Keys(1)[0]))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			result, err := c.Enrol(t.Context(), device.CSR{Challenge: "x"})
			if err != nil || result.Certificate == nil {
				t.Errorf("got %+v, %v", result, err)
			}
		})
	}
	wg.Wait()
}

func TestSendEndsWithItsContext(t *testing.T) {
	c := connect(t, newAuthority(t, device.Keys(1)[0]))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Enrol(ctx, device.CSR{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
