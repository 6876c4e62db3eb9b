package intunesim

import (
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"strings"
)

// instanceDiscovery answers MSAL's question whether a login host is genuine.
// MSAL asks login.microsoftonline.com unless it trusts the host already, so this
// call arrives only through a proxy or dialler that leads that name here.
func (s *Server) instanceDiscovery(c *call) answer {
	if a, ok := only(c, http.MethodGet); !ok {
		return a
	}
	query := c.URL.Query()
	if v := query.Get("api-version"); v != "1.0" && v != "1.1" {
		return aadsts(c, 90014, "The required field 'api-version' is missing from the request or wrong.")
	}
	u, err := url.Parse(query.Get("authorization_endpoint"))
	if err != nil || u.Scheme != "https" || !s.hosts.knows(u.Host) {
		return aadsts(c, 50049, "Unknown or invalid instance.")
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return jsonAnswer(http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + u.Host + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               query.Get("api-version"),
		"metadata": []any{map[string]any{
			"preferred_network": u.Host, "preferred_cache": u.Host, "aliases": []string{u.Host},
		}},
	})
}

// openIDConfiguration is the tenant's metadata document, where MSAL finds the
// token endpoint. The endpoint keeps the name by which the tenant was asked for.
func (s *Server) openIDConfiguration(c *call, tenant string) answer {
	if a, ok := only(c, http.MethodGet); !ok {
		return a
	}
	if !s.entra.knows(tenant) {
		return unknownTenant(c, tenant)
	}
	base := c.base + "/" + tenant
	return jsonAnswer(http.StatusOK, map[string]any{
		"token_endpoint":         base + "/oauth2/v2.0/token",
		"authorization_endpoint": base + "/oauth2/v2.0/authorize",
		"jwks_uri":               base + "/discovery/v2.0/keys",
		"issuer":                 c.base + "/" + s.entra.tenantID + "/v2.0",
		"token_endpoint_auth_methods_supported": []string{
			"client_secret_post", "private_key_jwt",
		},
		"response_types_supported":              []string{"code", "id_token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"tenant_region_scope":                   "EU",
		"cloud_instance_name":                   "microsoftonline.com",
	})
}

// keys is the tenant's JSON Web Key Set.
func (s *Server) keys(c *call) answer {
	if a, ok := only(c, http.MethodGet); !ok {
		return a
	}
	key := s.entra.signingKey.PublicKey
	encode := base64.RawURLEncoding.EncodeToString
	return jsonAnswer(http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "kid": s.entra.keyID,
		"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
	}}})
}

func unknownTenant(c *call, tenant string) answer {
	return aadsts(c, 90002, "Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID "+
		"and are signing into the correct cloud.")
}

// only refuses every method but the given one.
func only(c *call, method string) (answer, bool) {
	if c.Method == method {
		return answer{}, true
	}
	return intuneError(c, http.StatusMethodNotAllowed, "the method is not allowed here").with("Allow", method), false
}
