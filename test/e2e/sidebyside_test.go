package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

const (
	otherTenant   = "fabrikam.onmicrosoft.com"
	otherProvider = "fabrikam"
)

// Two tenants, an ordinary SCEP provisioner and an ACME one in the same CA.
func TestProvisionersOfAllKindsRunSideBySide(t *testing.T) {
	t.Parallel()
	fabrikam := startSim(t, "-tenant", otherTenant, "-secret", "other-secret")
	port := acmePort(t)
	s := newSite(t, withStatic, withACME(port), withTenant(t, fabrikam, "other-secret"))

	// The same names in both tenants, so that only the challenge tells them apart.
	mine, theirs := s.genuine("device-1"), s.genuine("device-1")
	theirChallenge, err := fabrikam.NewChallenge(intunesim.Challenge{DeviceID: "device-1"})
	if err != nil {
		t.Fatal(err)
	}
	theirs.Challenge = theirChallenge
	s.challenges = append(s.challenges, theirChallenge)

	contoso, other, static := s.connect(intune), s.connect(otherProvider), s.connect("static")
	for name, test := range map[string]struct {
		client *device.Client
		csr    device.CSR
		want   scep.PKIStatus
	}{
		"contoso's device at contoso's":     {contoso, mine, scep.SUCCESS},
		"fabrikam's device at fabrikam's":   {other, theirs, scep.SUCCESS},
		"contoso's device at fabrikam's":    {other, mine, scep.FAILURE},
		"fabrikam's device at contoso's":    {contoso, theirs, scep.FAILURE},
		"contoso's device at the ordinary":  {static, mine, scep.FAILURE},
		"an ordinary one at the ordinary":   {static, device.CSR{Subject: "CN=x", Challenge: "open sesame"}, scep.SUCCESS},
		"an ordinary one at contoso's":      {contoso, device.CSR{Subject: "CN=x", Challenge: "open sesame"}, scep.FAILURE},
		"an ordinary one without challenge": {static, device.CSR{Subject: "CN=x"}, scep.FAILURE},
	} {
		if result := s.send(test.client, s.prepare(test.client, test.csr)); result.Status != test.want {
			t.Errorf("%s got %s", name, describe(result))
		}
	}
	for tenant, sim := range map[string]*harness.Sim{intunesim.DefaultTenant: s.sim, otherTenant: fabrikam} {
		if n := len(callsTo(t, sim, intunesim.OpSuccess)); n != 1 {
			t.Errorf("%s received %d success notifications", tenant, n)
		}
		for _, token := range callsTo(t, sim, intunesim.OpToken) {
			if !strings.HasPrefix(token.Path, "/"+tenant+"/") || token.Status != http.StatusOK {
				t.Errorf("%s received %s, answered %d", tenant, token.Path, token.Status)
			}
		}
	}
	s.acmeCertificate(port)
}

// withTenant adds an Intune provisioner of another tenant.
func withTenant(t *testing.T, sim *harness.Sim, secret string) func(map[string]any, *harness.Options) {
	return func(_ map[string]any, o *harness.Options) {
		entry, err := harness.IntuneEntry(otherProvider, sim)
		if err != nil {
			t.Fatal(err)
		}
		o.Env = append(o.Env, "OTHER_SECRET="+secret)
		settings(entry)["tenant"] = otherTenant
		settings(entry)["credential"] = map[string]any{"secretEnv": "OTHER_SECRET"}
		o.Provisioners = append(o.Provisioners, entry)
	}
}

func acmePort(t *testing.T) string {
	t.Helper()
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func withACME(port string) func(map[string]any, *harness.Options) {
	return func(_ map[string]any, o *harness.Options) {
		o.Provisioners = append(o.Provisioners, map[string]any{"type": "ACME", "name": "acme"})
		o.Flags = []string{"--insecure", "--acme-http-port", port}
	}
}

// acmeCertificate gets a certificate for localhost by ACME's http-01.
func (s *site) acmeCertificate(port string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	client := &acme.Client{Key: key, HTTPClient: s.ca.HTTP, DirectoryURL: s.ca.URL("/acme/acme/directory")}
	if _, err := client.Register(ctx, &acme.Account{}, acme.AcceptTOS); err != nil {
		s.Fatal(err)
	}
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs("localhost"))
	if err != nil {
		s.Fatal(err)
	}
	authorization, err := client.GetAuthorization(ctx, order.AuthzURLs[0])
	if err != nil {
		s.Fatal(err)
	}
	for _, challenge := range authorization.Challenges {
		if challenge.Type == "http-01" {
			s.answerACME(client, challenge.Token, port)
			if _, err := client.Accept(ctx, challenge); err != nil {
				s.Fatal(err)
			}
		}
	}
	if _, err := client.WaitOrder(ctx, order.URI); err != nil {
		s.Fatal(err)
	}
	csr, err := device.CSR{Subject: "CN=localhost", SANs: []device.SAN{device.DNS("localhost")}}.Build()
	if err != nil {
		s.Fatal(err)
	}
	chain, _, err := client.CreateOrderCert(ctx, order.FinalizeURL, csr.DER, false)
	if err != nil {
		s.Fatal(err)
	}
	c, err := x509.ParseCertificate(chain[0])
	if err != nil {
		s.Fatal(err)
	}
	if err := c.CheckSignatureFrom(s.ca.Intermediate); err != nil {
		s.Error(err)
	}
}

func (s *site) answerACME(client *acme.Client, token, port string) {
	s.Helper()
	answer, err := client.HTTP01ChallengeResponse(token)
	if err != nil {
		s.Fatal(err)
	}
	listener, err := net.Listen("tcp", "localhost:"+port)
	if err != nil {
		s.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }),
	}
	go func() { _ = server.Serve(listener) }()
	s.Cleanup(func() { server.Close() })
}

// The decorated certificate authority service still makes CRLs.
func TestTheCRLIsMadeAsBefore(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ map[string]any, o *harness.Options) {
		o.Edit = func(config map[string]any) { config["crl"] = map[string]any{"enabled": true, "generateOnRevoke": true} }
	})
	s.issue("device-1")
	answer, err := s.ca.HTTP.Get(s.ca.URL("/1.0/crl"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	der, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	if err := list.CheckSignatureFrom(s.ca.Intermediate); err != nil {
		t.Error(err)
	}
}
