package intunesim

import (
	"net/http"
	"strings"
)

// Operation names one of the calls that the simulator answers.
type Operation string

// The operations. Those of Microsoft's API bear Microsoft's names.
const (
	OpInstanceDiscovery   Operation = "instanceDiscovery"   // MSAL asks whether the login host is genuine
	OpOpenIDConfiguration Operation = "openidConfiguration" // MSAL asks for the tenant's token endpoint
	OpKeys                Operation = "keys"                // the keys that verify access tokens
	OpToken               Operation = "token"
	OpManagedIdentity     Operation = "managedIdentity" // the metadata service of an Azure machine
	OpDiscovery           Operation = "discovery"       // service location at Graph
	OpValidate            Operation = "validateRequest"
	OpSuccess             Operation = "successNotification"
	OpFailure             Operation = "failureNotification"
	OpDownload            Operation = "downloadRevocationRequests"
	OpUpload              Operation = "uploadRevocationResults"
	OpUnknown             Operation = "unknown" // no such path: the call got a 404
)

// route finds what answers r. The paths of Intune's services are those that
// Graph names at the moment, so a service that moved is not found at its old place.
func (s *Server) route(r *http.Request) (Operation, func(*call) answer) {
	path := r.URL.Path
	switch {
	case path == "/common/discovery/instance":
		return OpInstanceDiscovery, s.instanceDiscovery
	case path == "/metadata/identity/oauth2/token":
		return OpManagedIdentity, s.managedIdentity
	case strings.HasPrefix(path, "/v1.0/"):
		if appID, ok := between(path, "/v1.0/servicePrincipals/appId=", "/endpoints"); ok {
			return OpDiscovery, func(c *call) answer { return s.serviceLocation(c, appID) }
		}
		return OpUnknown, graphNotFound
	}
	if prefix, name, ok := strings.Cut(path, "/ScepActions/"); ok && s.graph.serves(scepService, prefix) {
		switch op := Operation(name); op {
		case OpValidate:
			return op, s.validateRequest
		case OpSuccess:
			return op, s.successNotification
		case OpFailure:
			return op, s.failureNotification
		}
	}
	if prefix, name, ok := strings.Cut(path, "/CertificateAuthorityRequests/"); ok && s.graph.serves(pkiService, prefix) {
		switch op := Operation(name); op {
		case OpDownload:
			return op, s.downloadRevocationRequests
		case OpUpload:
			return op, s.uploadRevocationResults
		}
	}
	if tenant, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/"); ok {
		switch rest {
		case "v2.0/.well-known/openid-configuration":
			return OpOpenIDConfiguration, func(c *call) answer { return s.openIDConfiguration(c, tenant) }
		case "discovery/v2.0/keys":
			return OpKeys, s.keys
		case "oauth2/v2.0/token":
			return OpToken, func(c *call) answer { return s.token(c, tenant) }
		}
	}
	return OpUnknown, intuneNotFound
}

// between returns what stands in s between prefix and suffix, if it is one path element.
func between(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	s, ok = strings.CutSuffix(s, suffix)
	return s, ok && s != "" && !strings.Contains(s, "/")
}
