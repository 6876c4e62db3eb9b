package intunesim

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// aadstsKind is how Entra ID presents an error number.
type aadstsKind struct {
	error  string
	status int
}

// aadstsKinds holds the errors that a client of Intune meets.
var aadstsKinds = map[int]aadstsKind{
	50012:   {"invalid_client", http.StatusUnauthorized},       // the assertion's signature is wrong
	50027:   {"invalid_request", http.StatusBadRequest},        // the assertion is no JWT
	50049:   {"invalid_instance", http.StatusBadRequest},       // unknown login host
	70003:   {"unsupported_grant_type", http.StatusBadRequest}, // another grant
	90002:   {"invalid_request", http.StatusBadRequest},        // unknown tenant
	90014:   {"invalid_request", http.StatusBadRequest},        // a field is missing
	90033:   {"temporarily_unavailable", http.StatusServiceUnavailable},
	500011:  {"invalid_resource", http.StatusBadRequest},    // unknown resource
	700016:  {"unauthorized_client", http.StatusBadRequest}, // unknown application
	700021:  {"invalid_client", http.StatusUnauthorized},    // the assertion is another application's
	700023:  {"invalid_client", http.StatusUnauthorized},    // the assertion's audience is wrong
	700024:  {"invalid_client", http.StatusUnauthorized},    // the assertion is out of date
	700027:  {"invalid_client", http.StatusUnauthorized},    // the certificate is not registered
	700211:  {"invalid_client", http.StatusUnauthorized},    // unknown external issuer
	700212:  {"invalid_client", http.StatusUnauthorized},    // unknown external audience
	700213:  {"invalid_client", http.StatusUnauthorized},    // unknown external subject
	900144:  {"invalid_request", http.StatusBadRequest},     // grant_type or client_id is missing
	900382:  {"invalid_request", http.StatusBadRequest},     // the resource is in another cloud
	900561:  {"invalid_request", http.StatusBadRequest},     // not POST
	1002012: {"invalid_scope", http.StatusBadRequest},       // not a /.default scope
	7000215: {"invalid_client", http.StatusUnauthorized},    // wrong secret
	7000218: {"invalid_request", http.StatusUnauthorized},   // neither secret nor assertion
	7000222: {"invalid_client", http.StatusUnauthorized},    // expired secret
}

// aadsts is an error answer of Entra ID.
func aadsts(c *call, number int, description string) answer {
	kind, ok := aadstsKinds[number]
	if !ok {
		kind = aadstsKind{"invalid_request", http.StatusBadRequest}
	}
	trace := uuid.NewString()
	correlation := cmp.Or(c.Header.Get("client-request-id"), uuid.NewString())
	timestamp := c.now.UTC().Format("2006-01-02 15:04:05Z")
	return jsonAnswer(kind.status, map[string]any{
		"error": kind.error,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			number, description, trace, correlation, timestamp),
		"error_codes":    []int{number},
		"timestamp":      timestamp,
		"trace_id":       trace,
		"correlation_id": correlation,
		"error_uri":      fmt.Sprintf("%s/error?code=%d", c.base, number),
	})
}
