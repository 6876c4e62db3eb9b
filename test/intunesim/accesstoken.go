package intunesim

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// accessClaims are the claims of an access token, in the form that Entra ID
// calls version 1.0: the audience stands in it as it was asked for.
type accessClaims struct {
	Audience  string   `json:"aud"`
	Issuer    string   `json:"iss"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	AppID     string   `json:"appid"`
	AppIDACR  string   `json:"appidacr"`
	Object    string   `json:"oid"`
	Roles     []string `json:"roles,omitempty"`
	Subject   string   `json:"sub"`
	TenantID  string   `json:"tid"`
	UTI       string   `json:"uti"`
	Version   string   `json:"ver"`
}

func (a accessClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{a.Audience}, nil
}
func (a accessClaims) GetIssuer() (string, error)  { return a.Issuer, nil }
func (a accessClaims) GetSubject() (string, error) { return a.Subject, nil }
func (a accessClaims) GetIssuedAt() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(a.IssuedAt, 0)), nil
}
func (a accessClaims) GetNotBefore() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(a.NotBefore, 0)), nil
}
func (a accessClaims) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(a.Expires, 0)), nil
}

func (d *directory) issuer() string { return "https://sts.windows.net/" + d.tenantID + "/" }

// mint makes an access token for resource and says which settings it follows.
func (d *directory) mint(c *call, resource, how string) (string, Tokens, error) {
	d.mu.RLock()
	settings := d.tokens
	d.mu.RUnlock()
	roles := settings.GraphRoles
	if d.isIntune(resource) {
		roles = settings.IntuneRoles
	}
	// The application's service principal: one per tenant.
	principal := uuid.NewSHA1(uuid.NameSpaceOID, []byte(d.tenantID+d.clientID)).String()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, accessClaims{
		Audience:  resource,
		Issuer:    d.issuer(),
		IssuedAt:  c.now.Unix(),
		NotBefore: c.now.Unix(),
		Expires:   c.now.Add(settings.Lifetime).Unix(),
		AppID:     d.clientID,
		AppIDACR:  how,
		Object:    principal,
		Roles:     roles,
		Subject:   principal,
		TenantID:  d.tenantID,
		UTI:       uuid.NewString(),
		Version:   "1.0",
	})
	token.Header["kid"] = d.keyID
	signed, err := token.SignedString(d.signingKey)
	return signed, settings, err
}

// What is wrong with a bearer token. Services turn errMissingRole into 403 and
// the others into 401.
var (
	errNoToken      = errors.New("no bearer token")
	errBadToken     = errors.New("the token is malformed or not signed by this tenant")
	errExpiredToken = errors.New("the token has expired or is not yet valid")
	errAudience     = errors.New("the token is for another audience")
	errMissingRole  = errors.New("the token lacks the required role")
)

// authorize verifies the call's bearer token: signature, issuer, times,
// audience and role.
func (d *directory) authorize(c *call, audience func(string) bool, role string) error {
	raw, ok := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	if !ok || raw == "" {
		return errNoToken
	}
	var claims accessClaims
	_, err := jwt.ParseWithClaims(raw, &claims,
		func(t *jwt.Token) (any, error) {
			if t.Header["kid"] != d.keyID {
				return nil, errBadToken
			}
			return &d.signingKey.PublicKey, nil
		},
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(d.issuer()),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(func() time.Time { return c.now }))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet):
		return errExpiredToken
	case err != nil:
		return errBadToken
	case !audience(claims.Audience):
		return errAudience
	case !slices.Contains(claims.Roles, role):
		return errMissingRole
	}
	return nil
}
