package intunesim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// managedIdentity plays the metadata service of an Azure machine, whose
// identity is the registered application. MSAL calls it at 169.254.169.254; a
// test leads that address here.
func (s *Server) managedIdentity(c *call) answer {
	if a, ok := only(c, http.MethodGet); !ok {
		return a
	}
	query := c.URL.Query()
	refuse := func(description string) answer {
		return jsonAnswer(http.StatusBadRequest, map[string]string{
			"error": "invalid_request", "error_description": description,
		})
	}
	if c.Header.Get("Metadata") != "true" {
		return refuse("Required metadata header not specified")
	}
	if query.Get("api-version") != "2018-02-01" {
		return refuse("Required query variable 'api-version' is missing or wrong")
	}
	if id := query.Get("client_id"); id != "" && !strings.EqualFold(id, s.entra.clientID) {
		return refuse("Identity not found")
	}
	resource := query.Get("resource")
	if !s.entra.isGraph(resource) && !s.entra.isIntune(resource) {
		return refuse("AADSTS500011: The resource principal named " + resource + " was not found in the tenant.")
	}
	access, settings, err := s.entra.mint(c, resource, "2")
	if err != nil {
		return aadsts(c, 90033, "A transient error has occurred. Please try again.")
	}
	// Unlike Entra ID, the metadata service spells numbers as strings.
	return jsonAnswer(http.StatusOK, map[string]string{
		"access_token": access,
		"client_id":    s.entra.clientID,
		"expires_in":   strconv.Itoa(int(settings.Lifetime / time.Second)),
		"expires_on":   strconv.FormatInt(c.now.Add(settings.Lifetime).Unix(), 10),
		"not_before":   strconv.FormatInt(c.now.Unix(), 10),
		"resource":     resource,
		"token_type":   "Bearer",
	})
}
