package intunesim_test

import (
	"context"
	"crypto/rsa"
	"net/http"
	"net/url"
	"testing"
	"time"

	"crypto/x509"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
	"github.com/golang-jwt/jwt/v5"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// hereInstead sends calls for other hosts to the simulator.
type hereInstead struct{ sim *intunesim.Server }

func (h hereInstead) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	here, err := url.Parse(h.sim.URL())
	if err != nil {
		return nil, err
	}
	req.URL.Scheme, req.URL.Host, req.Host = here.Scheme, here.Host, here.Host
	return h.sim.HTTPClient().Transport.RoundTrip(req)
}

// credentials are all that MSAL has, with one key.
func credentials(t testing.TB, key *rsa.PrivateKey, certificate *x509.Certificate) map[string]confidential.Credential {
	t.Helper()
	secret, err := confidential.NewCredFromSecret(intunesim.DefaultSecret)
	check(t, err)
	certified, err := confidential.NewCredFromCert([]*x509.Certificate{certificate}, key)
	check(t, err)
	federated := confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) {
		return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
			"iss": "https://issuer.example", "sub": "ca", "aud": intunesim.FederationAudience, "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString(key)
	})
	return map[string]confidential.Credential{"secret": secret, "certificate": certified, "federation": federated}
}

func msal(t testing.TB, sim *intunesim.Server, credential confidential.Credential, discovery bool) confidential.Client {
	t.Helper()
	client, err := confidential.New(sim.URL()+"/"+intunesim.DefaultTenant, intunesim.DefaultClientID, credential,
		confidential.WithInstanceDiscovery(discovery), confidential.WithHTTPClient(&http.Client{Transport: hereInstead{sim}}))
	check(t, err)
	return client
}

func TestMSALGetsTokens(t *testing.T) {
	sim := start(t, intunesim.Options{})
	key := device.Keys(1)[0]
	certificate := registered(t, key, time.Now().Add(time.Hour))
	sim.SetCertificates(certificate)
	check(t, sim.SetFederations(intunesim.Federation{Issuer: "https://issuer.example", Subject: "ca", Key: key.Public()}))
	for name, credential := range credentials(t, key, certificate) {
		for _, discovery := range []bool{false, true} {
			client := msal(t, sim, credential, discovery)
			for _, scope := range []string{"/.default", "//.default"} {
				result, err := client.AcquireTokenByCredential(t.Context(), []string{sim.URL() + scope})
				if err != nil {
					t.Fatalf("%s, instance discovery %t: %v", name, discovery, err)
				}
				if left := time.Until(result.ExpiresOn); left < 55*time.Minute || left > time.Hour {
					t.Errorf("%s: token for %s", name, left)
				}
			}
		}
	}
	if calls := sim.Stats().Calls; calls[intunesim.OpInstanceDiscovery] == 0 || calls[intunesim.OpToken] != 12 {
		t.Errorf("calls: %v", calls)
	}
}

func TestMSALGetsTokensOfAManagedIdentity(t *testing.T) {
	sim := start(t, intunesim.Options{})
	for _, id := range []managedidentity.ID{managedidentity.SystemAssigned(), managedidentity.UserAssignedClientID(intunesim.DefaultClientID)} {
		client, err := managedidentity.New(id, managedidentity.WithHTTPClient(&http.Client{Transport: hereInstead{sim}}))
		if err != nil {
			t.Fatal(err)
		}
		result, err := client.AcquireToken(t.Context(), sim.URL()+"//.default")
		if err != nil {
			t.Fatal(err)
		}
		c := &caller{t, sim, result.AccessToken}
		if got := c.validate("transaction-1", build(t, device.CSR{})); got != "ChallengePasswordMissing" {
			t.Errorf("code %q", got)
		}
	}
	client, err := managedidentity.New(managedidentity.UserAssignedClientID("22222222-2222-3333-4444-555555555555"),
		managedidentity.WithHTTPClient(&http.Client{Transport: hereInstead{sim}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.AcquireToken(t.Context(), sim.URL()+"//.default?"); err == nil {
		t.Error("an unknown identity got a token")
	}
}
