package intunesim

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bodies of control requests that are no type of the package API.
type (
	challengeAnswer struct {
		Challenge string `json:"challenge"`
	}
	secretsBody struct {
		Valid   []string `json:"valid"`
		Expired []string `json:"expired"`
	}
	tokensBody struct {
		Lifetime    duration `json:"lifetime,omitempty"`
		RefreshIn   duration `json:"refreshIn,omitempty"`
		IntuneRoles []string `json:"intuneRoles,omitzero"`
		GraphRoles  []string `json:"graphRoles,omitzero"`
	}
	credentialsBody struct {
		Certificates []string         `json:"certificates,omitzero"` // PEM
		Federations  []federationBody `json:"federations,omitzero"`
	}
	federationBody struct {
		Issuer    string `json:"issuer"`
		Subject   string `json:"subject"`
		Audience  string `json:"audience,omitempty"`
		PublicKey string `json:"publicKey"` // PEM
	}
	servicesBody struct {
		Services []Service `json:"services,omitzero"`
		PageSize int       `json:"pageSize,omitempty"`
	}
	clockBody struct {
		Advance duration `json:"advance"`
	}
	untargetBody struct {
		DeviceID string `json:"deviceID"`
	}
	revocationBody struct {
		SerialNumber    string `json:"serialNumber"`
		IssuerName      string `json:"issuerName,omitempty"`
		CAConfiguration string `json:"caConfiguration,omitempty"`
	}
	revocationAnswer struct {
		RequestContext string `json:"requestContext"`
	}
	controlError struct {
		Error string `json:"error"`
	}
)

// controlHandler serves /_sim/: each request is a method of Server.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_sim/challenges", take(func(c Challenge) (any, error) {
		challenge, err := s.NewChallenge(c)
		return challengeAnswer{challenge}, err
	}))
	mux.HandleFunc("POST /_sim/faults", take(func(f Fault) (any, error) { return nil, s.AddFault(f) }))
	mux.HandleFunc("DELETE /_sim/faults", give(func() any { s.ClearFaults(); return nil }))
	mux.HandleFunc("GET /_sim/requests", give(func() any { return s.Requests() }))
	mux.HandleFunc("DELETE /_sim/requests", give(func() any { s.ClearRequests(); return nil }))
	mux.HandleFunc("GET /_sim/stats", give(func() any { return s.Stats() }))
	mux.HandleFunc("GET /_sim/certificates", give(func() any { return s.Certificates() }))
	mux.HandleFunc("GET /_sim/revocations", give(func() any { return s.Revocations() }))
	mux.HandleFunc("POST /_sim/revocations", take(func(b revocationBody) (any, error) {
		context, err := s.Revoke(Revocation{
			SerialNumber: b.SerialNumber, IssuerName: b.IssuerName, CAConfiguration: b.CAConfiguration,
		})
		return revocationAnswer{context}, err
	}))
	mux.HandleFunc("POST /_sim/untarget", take(func(b untargetBody) (any, error) {
		if b.DeviceID == "" {
			return nil, errors.New("deviceID is missing")
		}
		s.Untarget(b.DeviceID)
		return nil, nil
	}))
	mux.HandleFunc("POST /_sim/remove", take(func(r Removal) (any, error) { s.Remove(r); return nil, nil }))
	mux.HandleFunc("POST /_sim/secrets", take(func(b secretsBody) (any, error) {
		s.SetSecrets(b.Valid, b.Expired)
		return nil, nil
	}))
	mux.HandleFunc("POST /_sim/credentials", take(s.setCredentials))
	mux.HandleFunc("POST /_sim/tokens", take(func(b tokensBody) (any, error) {
		return nil, s.SetTokens(Tokens{time.Duration(b.Lifetime), time.Duration(b.RefreshIn), b.IntuneRoles, b.GraphRoles})
	}))
	mux.HandleFunc("POST /_sim/services", take(func(b servicesBody) (any, error) {
		s.SetServices(b.Services, b.PageSize)
		return nil, nil
	}))
	mux.HandleFunc("POST /_sim/clock", take(func(b clockBody) (any, error) {
		s.Advance(time.Duration(b.Advance))
		return nil, nil
	}))
	return mux
}

// setCredentials replaces certificates or federations, whichever are given.
func (s *Server) setCredentials(b credentialsBody) (any, error) {
	var certificates []*x509.Certificate
	for _, encoded := range b.Certificates {
		block, _ := pem.Decode([]byte(encoded))
		if block == nil {
			return nil, errors.New("a certificate is not PEM")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing a certificate: %w", err)
		}
		certificates = append(certificates, certificate)
	}
	var federations []Federation
	for _, f := range b.Federations {
		block, _ := pem.Decode([]byte(f.PublicKey))
		if block == nil {
			return nil, errors.New("a publicKey is not PEM")
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing a publicKey: %w", err)
		}
		federations = append(federations, Federation{f.Issuer, f.Subject, f.Audience, key})
	}
	if b.Federations != nil {
		if err := s.SetFederations(federations...); err != nil {
			return nil, err
		}
	}
	if b.Certificates != nil {
		s.SetCertificates(certificates...)
	}
	return nil, nil
}

// take makes a handler of a function whose argument is the request's JSON.
func take[T any](f func(T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body T
		if err := decodeStrict(http.MaxBytesReader(w, r.Body, maxBody), &body); err != nil {
			writeJSON(w, http.StatusBadRequest, controlError{"decoding the request: " + err.Error()})
			return
		}
		result, err := f(body)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, controlError{err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, result)
	}
}

// give makes a handler of a function without argument.
func give(f func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// What is sent along without need is read, so that the connection stays usable.
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
		writeJSON(w, http.StatusOK, f())
	}
}

// writeJSON answers a control request; with nothing to say it is 204.
func writeJSON(w http.ResponseWriter, status int, v any) {
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}
