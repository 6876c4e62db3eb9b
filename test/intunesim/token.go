package intunesim

import (
	"crypto/subtle"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// assertionType is the only client_assertion_type there is (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// token is the OAuth 2.0 token endpoint, for client credentials only.
func (s *Server) token(c *call, tenant string) answer {
	if c.Method != http.MethodPost {
		return aadsts(c, 900561, "The endpoint only accepts POST requests. Received a "+c.Method+" request.")
	}
	if !s.entra.knows(tenant) {
		return unknownTenant(c, tenant)
	}
	form, err := url.ParseQuery(string(c.body))
	media, _, mediaErr := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || mediaErr != nil || media != "application/x-www-form-urlencoded" {
		form = nil // Entra ID then sees no parameters at all
	}
	for _, name := range []string{"grant_type", "client_id"} {
		if form.Get(name) == "" {
			return aadsts(c, 900144, "The request body must contain the following parameter: '"+name+"'.")
		}
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return aadsts(c, 70003, "The app requested an unsupported grant type '"+grant+"'.")
	}
	if id := form.Get("client_id"); !strings.EqualFold(id, s.entra.clientID) {
		return aadsts(c, 700016, "Application with identifier '"+id+"' was not found in the directory '"+
			s.entra.tenant+"'. This can happen if the application has not been installed by the administrator "+
			"of the tenant or consented to by any user in the tenant.")
	}
	how, refusal := s.entra.authenticate(c, form, c.base+"/"+tenant+"/oauth2/v2.0/token")
	if refusal != nil {
		return *refusal
	}
	resource, refusal := s.entra.resource(c, form.Get("scope"))
	if refusal != nil {
		return *refusal
	}
	return s.entra.grant(c, resource, how)
}

// authenticate checks the client's credential and returns what appidacr says
// about it: 1 for a secret, 2 for an assertion.
func (d *directory) authenticate(c *call, form url.Values, endpoint string) (string, *answer) {
	if assertion := form.Get("client_assertion"); assertion != "" {
		if form.Get("client_assertion_type") != assertionType {
			return "", refuse(c, 900144, "The request body must contain the following parameter: 'client_assertion_type'.")
		}
		return "2", d.checkAssertion(c, assertion, endpoint)
	}
	secret := form.Get("client_secret")
	if secret == "" {
		return "", refuse(c, 7000218,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	same := func(s string) bool { return subtle.ConstantTimeCompare([]byte(s), []byte(secret)) == 1 }
	switch {
	case slices.ContainsFunc(d.secrets, same):
		return "1", nil
	case slices.ContainsFunc(d.expired, same):
		return "", refuse(c, 7000222, "The provided client secret keys for app '"+d.clientID+"' are expired. "+
			"Visit the Azure portal to create new keys for your app.")
	}
	return "", refuse(c, 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is "+
		"the client secret value, not the client secret ID, for a secret added to app '"+d.clientID+"'.")
}

// refuse is aadsts for functions whose success is no answer yet.
func refuse(c *call, number int, description string) *answer {
	a := aadsts(c, number, description)
	return &a
}

// oidcScopes are those that MSAL adds to every request.
var oidcScopes = []string{"openid", "profile", "offline_access", "email"}

// resource finds the one resource that scope asks for. The token's audience is
// the scope without "/.default": with the scope "https://host//.default" it
// ends in a slash, and only that one is Intune's.
func (d *directory) resource(c *call, scope string) (string, *answer) {
	var resources []string
	for s := range strings.FieldsSeq(scope) {
		if slices.Contains(oidcScopes, s) {
			continue
		}
		resource, ok := strings.CutSuffix(s, "/.default")
		if !ok {
			return "", refuse(c, 1002012, "The provided value for scope "+s+" is not valid. Client credential flows must "+
				"have a scope value with /.default suffixed to the resource identifier (application ID URI).")
		}
		resources = append(resources, resource)
	}
	switch {
	case len(resources) == 0:
		return "", refuse(c, 90014, "The required field 'scope' is missing from the credential.")
	case len(resources) > 1:
		return "", refuse(c, 1002012, "The provided value for scope is not valid. It names more than one resource.")
	case !d.isGraph(resources[0]) && !d.isIntune(resources[0]):
		return "", refuse(c, 500011, fmt.Sprintf("The resource principal named %s was not found in the tenant named %s. "+
			"This can happen if the application has not been installed by the administrator of the tenant.",
			resources[0], d.tenant))
	}
	return resources[0], nil
}

// isGraph and isIntune tell the resources apart, here and when a token comes
// back as an audience.
func (d *directory) isGraph(resource string) bool {
	return resource == "https://graph.microsoft.com" || d.isOurs(resource)
}

func (d *directory) isIntune(resource string) bool {
	origin, ok := strings.CutSuffix(resource, "/")
	return ok && (resource == "https://api.manage.microsoft.com/" || d.isOurs(origin))
}

func (d *directory) isOurs(origin string) bool {
	host, ok := strings.CutPrefix(origin, "https://")
	return ok && d.hosts.knows(host)
}

// grant is the answer that carries a token.
func (d *directory) grant(c *call, resource, how string) answer {
	access, settings, err := d.mint(c, resource, how)
	if err != nil {
		return aadsts(c, 90033, "A transient error has occurred. Please try again.")
	}
	// Entra ID says one second less than the token has.
	expiresIn := int(settings.Lifetime/time.Second) - 1
	body := map[string]any{
		"token_type": "Bearer", "expires_in": expiresIn, "ext_expires_in": expiresIn, "access_token": access,
	}
	if settings.RefreshIn > 0 {
		body["refresh_in"] = int(settings.RefreshIn / time.Second)
	}
	return jsonAnswer(http.StatusOK, body).with("Cache-Control", "no-store, no-cache")
}
