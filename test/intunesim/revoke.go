package intunesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// lockTime is how long a downloaded request is kept from other downloads.
const lockTime = 60 * time.Minute

// Revocation is a request to revoke a certificate, as an administrator makes it.
type Revocation struct {
	// RequestContext is the simulator's name for the request.
	RequestContext string `json:"requestContext,omitempty"`
	SerialNumber   string `json:"serialNumber"`
	// IssuerName and CAConfiguration are those of the listed certificate with
	// this serial number when both are left out.
	IssuerName      string `json:"issuerName,omitempty"`
	CAConfiguration string `json:"caConfiguration,omitempty"`
	// State is pending, locked (downloaded in the last 60 minutes) or done.
	State       RevocationState `json:"state,omitempty"`
	LockedUntil time.Time       `json:"lockedUntil,omitzero"`
	Downloads   int             `json:"downloads"`
	// Results are the uploads, oldest first.
	Results []RevocationResult `json:"results"`
}

// RevocationState says how far a revocation request has come.
type RevocationState string

// The states of a revocation request.
const (
	RevocationPending RevocationState = "pending"
	RevocationLocked  RevocationState = "locked"
	RevocationDone    RevocationState = "done"
)

// RevocationResult is what a CA uploaded about a revocation request.
type RevocationResult struct {
	Time         time.Time `json:"time"`
	Succeeded    bool      `json:"succeeded"`
	ErrorCode    string    `json:"errorCode"`
	ErrorMessage string    `json:"errorMessage,omitempty"`
}

// final and retryable are the error codes of a revocation that did not succeed.
var (
	finalErrors     = []string{"4000", "4001", "4002", "4003", "4004", "4005", "4006", "4007"}
	retryableErrors = []string{"4100", "4101", "4102", "4103"}
)

type revocations struct {
	mu  sync.Mutex
	all []*Revocation
}

func newRevocations() *revocations { return &revocations{} }

// Revoke asks for a revocation and returns its RequestContext. Of the argument
// only serial number, issuer and CA configuration count.
func (s *Server) Revoke(r Revocation) (string, error) {
	if r.SerialNumber == "" {
		return "", errors.New("a revocation needs a serial number")
	}
	if r.IssuerName == "" && r.CAConfiguration == "" {
		line, ok := s.console.bySerial(r.SerialNumber)
		if !ok {
			return "", fmt.Errorf("no certificate with serial number %q is listed: the issuer is needed", r.SerialNumber)
		}
		r.IssuerName, r.CAConfiguration = line.Issuer, line.CAConfiguration
	}
	created := &Revocation{
		RequestContext: uuid.NewString(), SerialNumber: r.SerialNumber, IssuerName: r.IssuerName,
		CAConfiguration: r.CAConfiguration, State: RevocationPending,
	}
	s.revocations.mu.Lock()
	defer s.revocations.mu.Unlock()
	s.revocations.all = append(s.revocations.all, created)
	return created.RequestContext, nil
}

// Revocations lists the requests and their uploaded results, oldest first.
func (s *Server) Revocations() []Revocation {
	now := s.Now()
	s.revocations.mu.Lock()
	defer s.revocations.mu.Unlock()
	all := make([]Revocation, 0, len(s.revocations.all))
	for _, r := range s.revocations.all {
		r.unlock(now)
		copied := *r
		copied.Results = append([]RevocationResult{}, r.Results...)
		all = append(all, copied)
	}
	return all
}

// unlock gives a request back when its time is over.
func (r *Revocation) unlock(now time.Time) {
	if r.State == RevocationLocked && !now.Before(r.LockedUntil) {
		r.State, r.LockedUntil = RevocationPending, time.Time{}
	}
}

// wanted reports whether the request is for the CA that filters by name.
// Microsoft calls the filter issuerName and applies it to the caConfiguration
// that the success notification carried; without one the issuer decides.
func (r *Revocation) wanted(name string) bool {
	if r.CAConfiguration != "" {
		return name == r.CAConfiguration
	}
	return name == r.IssuerName
}

// downloadRevocationRequests hands out requests and locks them.
func (s *Server) downloadRevocationRequests(c *call) answer {
	if a, ok := s.admit(c, pkiVersion); !ok {
		return a
	}
	limit, filter, err := parseDownload(c.body)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	type handedOut struct {
		RequestContext  string  `json:"requestContext"`
		SerialNumber    string  `json:"serialNumber"`
		IssuerName      string  `json:"issuerName"`
		CAConfiguration *string `json:"caConfiguration"`
	}
	value := []handedOut{}
	s.revocations.mu.Lock()
	defer s.revocations.mu.Unlock()
	for _, r := range s.revocations.all {
		r.unlock(c.now)
		if len(value) == limit || r.State != RevocationPending || filter != nil && !r.wanted(*filter) {
			continue
		}
		r.State, r.LockedUntil = RevocationLocked, c.now.Add(lockTime)
		r.Downloads++
		out := handedOut{r.RequestContext, r.SerialNumber, r.IssuerName, nil}
		if r.CAConfiguration != "" {
			out.CAConfiguration = new(r.CAConfiguration)
		}
		value = append(value, out)
	}
	return jsonAnswer(http.StatusOK, map[string]any{
		"@odata.context": c.base + "/$metadata#CertificateAuthorityRequests", "value": value,
	})
}

func parseDownload(body []byte) (limit int, filter *string, err error) {
	outer, err := object(body, []string{"downloadParameters"}, nil)
	if err != nil {
		return 0, nil, err
	}
	params, err := object(outer["downloadParameters"], []string{"maxRequests"}, []string{"issuerName"})
	if err != nil {
		return 0, nil, err
	}
	if err := json.Unmarshal(params["maxRequests"], &limit); err != nil || limit < 1 || limit > 500 {
		return 0, nil, errors.New("maxRequests must be a number from 1 to 500")
	}
	if raw, ok := params["issuerName"]; ok {
		if err := json.Unmarshal(raw, &filter); err != nil || filter != nil && *filter == "" {
			return 0, nil, errors.New("issuerName must be null or a string that is not empty")
		}
	}
	return limit, filter, nil
}

// uploadRevocationResults takes what became of requests; all of them or none.
func (s *Server) uploadRevocationResults(c *call) answer {
	if a, ok := s.admit(c, pkiVersion); !ok {
		return a
	}
	results, err := parseUpload(c.body)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	s.revocations.mu.Lock()
	defer s.revocations.mu.Unlock()
	found := make([]*Revocation, len(results))
	for i, result := range results {
		at := slices.IndexFunc(s.revocations.all, func(r *Revocation) bool {
			return r.RequestContext == result.context && r.Downloads > 0
		})
		if at < 0 {
			return intuneError(c, http.StatusBadRequest, fmt.Sprintf("requestContext %q was never handed out", result.context))
		}
		found[i] = s.revocations.all[at]
	}
	for i, r := range found {
		result := results[i].RevocationResult
		result.Time = c.now
		r.Results = append(r.Results, result)
		if slices.Contains(retryableErrors, result.ErrorCode) {
			continue // handed out again when its lock ends
		}
		r.State, r.LockedUntil = RevocationDone, time.Time{}
		if result.Succeeded {
			s.console.revoked(r.SerialNumber)
		}
	}
	return jsonAnswer(http.StatusOK, map[string]any{"@odata.context": c.base + "/$metadata#Edm.Boolean", "value": true})
}

type uploaded struct {
	context string
	RevocationResult
}

func parseUpload(body []byte) ([]uploaded, error) {
	outer, err := object(body, []string{"results"}, nil)
	if err != nil {
		return nil, err
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(outer["results"], &raw); err != nil || len(raw) == 0 {
		return nil, errors.New("results must be an array that is not empty")
	}
	var results []uploaded
	for _, one := range raw {
		members, err := object(one, []string{"requestContext", "succeeded", "errorCode"}, []string{"errorMessage"})
		if err != nil {
			return nil, err
		}
		var u uploaded
		if u.context, err = text(members, "requestContext"); err != nil {
			return nil, err
		}
		if u.ErrorCode, err = text(members, "errorCode"); err != nil {
			return nil, err
		}
		if u.ErrorMessage, err = optionalText(members, "errorMessage"); err != nil {
			return nil, err
		}
		var succeeded *bool
		if err := json.Unmarshal(members["succeeded"], &succeeded); err != nil || succeeded == nil {
			return nil, errors.New("succeeded must be true or false")
		}
		u.Succeeded = *succeeded
		known := slices.Contains(finalErrors, u.ErrorCode) || slices.Contains(retryableErrors, u.ErrorCode)
		if u.Succeeded != (u.ErrorCode == "0") || !u.Succeeded && !known {
			return nil, fmt.Errorf("errorCode %q does not go with succeeded %s", u.ErrorCode, strings.TrimSpace(string(members["succeeded"])))
		}
		results = append(results, u)
	}
	return results, nil
}
