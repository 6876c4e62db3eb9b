package intunesim

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// intuneAppID is the service principal whose endpoints Graph lists.
const intuneAppID = "0000000a-0000-0000-c000-000000000000"

// The names under which Graph lists Intune's services.
const (
	scepService = "ScepRequestValidationFEService"
	pkiService  = "PkiConnectorFEService"
)

// Service is an entry of Graph's list of Intune's services.
type Service struct {
	ProviderName string `json:"providerName"`
	// URI begins with "/" when it lies on the simulator itself; anything else
	// is listed as it stands.
	URI string `json:"uri"`
}

func defaultServices() []Service {
	return []Service{
		{scepService, "/RACerts/StatelessScepRequestValidationService"},
		{pkiService, "/TrafficGateway/PkiConnectorFEService"},
		{"UserEndpoint", "/Other"},
	}
}

// services is what Graph knows.
type services struct {
	mu       sync.RWMutex
	list     []Service
	pageSize int
}

func newServices() *services { return &services{list: defaultServices()} }

// SetServices replaces Graph's list, or restores it when list is nil. With a
// pageSize above 0 the list comes in pages of that many entries. Intune is
// served at the listed places only.
func (s *Server) SetServices(list []Service, pageSize int) {
	if list == nil {
		list = defaultServices()
	}
	s.graph.mu.Lock()
	defer s.graph.mu.Unlock()
	s.graph.list, s.graph.pageSize = slices.Clone(list), pageSize
}

// serves reports whether the named service lies at path.
func (s *services) serves(name, path string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.ContainsFunc(s.list, func(service Service) bool {
		if !strings.EqualFold(service.ProviderName, name) {
			return false
		}
		u, err := url.Parse(service.URI)
		return err == nil && strings.TrimRight(u.Path, "/") == path
	})
}

// serviceLocation answers the look-up of Intune's services.
func (s *Server) serviceLocation(c *call, appID string) answer {
	if c.Method != http.MethodGet {
		return graphError(c, http.StatusMethodNotAllowed, "Request_BadRequest",
			"Specified HTTP method is not allowed for the request target.").with("Allow", http.MethodGet)
	}
	if err := s.entra.authorize(c, s.entra.isGraph, GraphRole); err != nil {
		return graphRefusal(c, err)
	}
	if uuid.Validate(c.Header.Get("client-request-id")) != nil {
		return graphError(c, http.StatusBadRequest, "Request_BadRequest", "The header client-request-id must be a UUID.")
	}
	if appID != intuneAppID {
		return graphError(c, http.StatusNotFound, "Request_ResourceNotFound",
			fmt.Sprintf("Resource '%s' does not exist or one of its queried reference-property objects are not present.", appID))
	}
	skip, err := strconv.Atoi(c.URL.Query().Get("$skiptoken"))
	if err != nil || skip < 0 {
		skip = 0
	}

	s.graph.mu.RLock()
	list, pageSize := slices.Clone(s.graph.list), s.graph.pageSize
	s.graph.mu.RUnlock()
	list = list[min(skip, len(list)):]
	body := map[string]any{
		"@odata.context": c.base + "/v1.0/$metadata#servicePrincipals('" + intuneAppID + "')/endpoints",
	}
	if pageSize > 0 && len(list) > pageSize {
		list = list[:pageSize]
		body["@odata.nextLink"] = c.base + c.URL.Path + "?$skiptoken=" + strconv.Itoa(skip+pageSize)
	}
	value := []any{}
	for _, service := range list {
		uri := service.URI
		if strings.HasPrefix(uri, "/") {
			uri = c.base + uri
		}
		value = append(value, map[string]any{
			"id":                 uuid.NewSHA1(uuid.NameSpaceURL, []byte(service.ProviderName+uri)).String(),
			"deletedDateTime":    nil,
			"capability":         service.ProviderName,
			"providerId":         nil,
			"providerName":       service.ProviderName,
			"providerResourceId": nil,
			"uri":                uri,
		})
	}
	body["value"] = value
	return jsonAnswer(http.StatusOK, body)
}

// graphRefusal is how Graph refuses a token.
func graphRefusal(c *call, err error) answer {
	switch {
	case errors.Is(err, errMissingRole):
		return graphError(c, http.StatusForbidden, "Authorization_RequestDenied",
			"Insufficient privileges to complete the operation.")
	case errors.Is(err, errExpiredToken):
		return graphError(c, http.StatusUnauthorized, "InvalidAuthenticationToken",
			"Lifetime validation failed, the token is expired.")
	case errors.Is(err, errAudience):
		return graphError(c, http.StatusUnauthorized, "InvalidAuthenticationToken",
			"Access token validation failure. Invalid audience.")
	case errors.Is(err, errNoToken):
		return graphError(c, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
	}
	return graphError(c, http.StatusUnauthorized, "InvalidAuthenticationToken", "Signature is invalid.")
}

func graphNotFound(c *call) answer {
	return graphError(c, http.StatusNotFound, "Request_ResourceNotFound", "Resource not found for the segment.")
}

// graphError is an error answer of Graph; an empty code follows from the status.
func graphError(c *call, status int, code, message string) answer {
	if code == "" {
		code = strings.ReplaceAll(http.StatusText(status), " ", "")
	}
	a := jsonAnswer(status, map[string]any{"error": map[string]any{
		"code": code, "message": message,
		"innerError": map[string]string{
			"date":              c.now.UTC().Format("2006-01-02T15:04:05"),
			"request-id":        uuid.NewString(),
			"client-request-id": c.Header.Get("client-request-id"),
		},
	}})
	if status == http.StatusUnauthorized {
		a = a.with("WWW-Authenticate", `Bearer realm="", authorization_uri="`+c.base+`/common/oauth2/authorize"`)
	}
	return a
}
