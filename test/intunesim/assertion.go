package intunesim

import (
	"cmp"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// FederationAudience is what Entra ID expects as audience of a federated token.
const FederationAudience = "api://AzureADTokenExchange"

// Federation is a federated credential: tokens of an external issuer, such as a
// Kubernetes cluster, that stand for the application.
type Federation struct {
	Issuer, Subject string
	// Audience is FederationAudience when empty.
	Audience string
	// Key verifies the issuer's signatures.
	Key crypto.PublicKey
}

func (f *Federation) complete() error {
	if f.Issuer == "" || f.Subject == "" || f.Key == nil {
		return errors.New("a federation needs issuer, subject and key")
	}
	f.Audience = cmp.Or(f.Audience, FederationAudience)
	return nil
}

// assertionMethods are the signatures that Entra ID takes.
var assertionMethods = []string{"RS256", "PS256", "ES256"}

// checkAssertion verifies a client assertion (RFC 7523): one signed with a
// registered certificate if the application itself issued it, else one of a
// federated credential.
func (d *directory) checkAssertion(c *call, assertion, endpoint string) *answer {
	unverified, _, err := jwt.NewParser().ParseUnverified(assertion, &jwt.RegisteredClaims{})
	if err != nil {
		return refuse(c, 50027, "JWT token is invalid or malformed.")
	}
	claims := unverified.Claims.(*jwt.RegisteredClaims)
	if strings.EqualFold(claims.Issuer, d.clientID) {
		return d.checkCertificateAssertion(c, assertion, unverified, endpoint)
	}
	return d.checkFederatedAssertion(c, assertion, claims)
}

func (d *directory) checkCertificateAssertion(c *call, assertion string, unverified *jwt.Token, endpoint string) *answer {
	claims := unverified.Claims.(*jwt.RegisteredClaims)
	certificate, err := d.certificateOf(unverified.Header)
	if err != nil {
		return refuse(c, 700027, fmt.Sprintf("The certificate with identifier used to sign the client assertion is not "+
			"registered on application. [Reason - %v, Application '%s'].", err, d.clientID))
	}
	if c.now.After(certificate.NotAfter) || c.now.Before(certificate.NotBefore) {
		return refuse(c, 700027, "The certificate used to sign the client assertion is expired or not yet valid on application.")
	}
	if refusal := verifyAssertion(c, assertion, certificate.PublicKey, 700027); refusal != nil {
		return refusal
	}
	switch {
	case !strings.EqualFold(claims.Subject, d.clientID):
		return refuse(c, 700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
	case claims.ID == "":
		return refuse(c, 50027, "JWT token is invalid or malformed. The claim 'jti' is missing.")
	case !d.isEndpoint(claims.Audience, endpoint):
		return refuse(c, 700023, "Client assertion audience claim does not match Realm issuer.")
	}
	return nil
}

// isEndpoint reports whether audience is the token endpoint, by the tenant's
// name or id.
func (d *directory) isEndpoint(audience jwt.ClaimStrings, endpoint string) bool {
	if len(audience) != 1 {
		return false
	}
	base, _, _ := strings.Cut(strings.TrimPrefix(endpoint, "https://"), "/")
	for _, tenant := range []string{d.tenant, d.tenantID} {
		if strings.EqualFold(audience[0], "https://"+base+"/"+tenant+"/oauth2/v2.0/token") {
			return true
		}
	}
	return false
}

// certificateOf finds the registered certificate that the assertion's header
// names by its thumbprints. All that are given must name it.
func (d *directory) certificateOf(header map[string]any) (*x509.Certificate, error) {
	sha256Print, has256, err := thumbprint(header, "x5t#S256")
	if err != nil {
		return nil, err
	}
	sha1Print, has1, err := thumbprint(header, "x5t")
	if err != nil {
		return nil, err
	}
	if !has256 && !has1 {
		return nil, errors.New("the header has neither x5t#S256 nor x5t")
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, certificate := range d.certificates {
		s256, s1 := sha256.Sum256(certificate.Raw), sha1.Sum(certificate.Raw)
		if (!has256 || slices.Equal(sha256Print, s256[:])) && (!has1 || slices.Equal(sha1Print, s1[:])) {
			return certificate, nil
		}
	}
	return nil, fmt.Errorf("the key was not found, thumbprint of key used by client: '%s'",
		strings.ToUpper(hex.EncodeToString(slices.Concat(sha1Print, sha256Print))))
}

// thumbprint reads a header field in any of base64's spellings: RFC 7515 has
// base64url without padding, MSAL sends the ordinary alphabet with padding.
func thumbprint(header map[string]any, name string) ([]byte, bool, error) {
	value, ok := header[name]
	if !ok {
		return nil, false, nil
	}
	s, _ := value.(string)
	s = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(s)
	decoded, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(decoded) == 0 {
		return nil, true, fmt.Errorf("the header %s is malformed", name)
	}
	return decoded, true, nil
}

func (d *directory) checkFederatedAssertion(c *call, assertion string, claims *jwt.RegisteredClaims) *answer {
	d.mu.RLock()
	candidates := slices.Clone(d.federations)
	d.mu.RUnlock()
	// Entra ID names the first thing that no registered credential has.
	narrow := func(keep func(Federation) bool) bool {
		candidates = slices.DeleteFunc(candidates, func(f Federation) bool { return !keep(f) })
		return len(candidates) > 0
	}
	if !narrow(func(f Federation) bool { return f.Issuer == claims.Issuer }) {
		return refuse(c, 700211, "No matching federated identity record found for presented assertion issuer '"+claims.Issuer+"'.")
	}
	if !narrow(func(f Federation) bool { return f.Subject == claims.Subject }) {
		return refuse(c, 700213, "No matching federated identity record found for presented assertion subject '"+claims.Subject+"'.")
	}
	if !narrow(func(f Federation) bool { return slices.Contains(claims.Audience, f.Audience) }) {
		return refuse(c, 700212, fmt.Sprintf("No matching federated identity record found for presented assertion audience '%s'.",
			strings.Join(claims.Audience, " ")))
	}
	var refusal *answer
	for _, f := range candidates { // an issuer that is changing its key has two
		if refusal = verifyAssertion(c, assertion, f.Key, 50012); refusal == nil {
			return nil
		}
	}
	return refusal
}

// verifyAssertion checks signature and times; number is for a wrong signature.
func verifyAssertion(c *call, assertion string, key crypto.PublicKey, number int) *answer {
	_, err := jwt.ParseWithClaims(assertion, &jwt.RegisteredClaims{},
		func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods(assertionMethods), jwt.WithExpirationRequired(),
		// Entra ID allows clocks to differ by five minutes.
		jwt.WithLeeway(5*time.Minute), jwt.WithTimeFunc(func() time.Time { return c.now }))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet),
		errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return refuse(c, 700024, "Client assertion is not within its valid time range.")
	default:
		return refuse(c, number, "Client assertion contains an invalid signature. [Reason - The key used is not the registered one.]")
	}
}
