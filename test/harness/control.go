package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Challenge asks the simulator for a SCEP challenge bound to these properties;
// those left out are not checked.
type Challenge struct {
	Subject     string         `json:"subject,omitempty"` // RFC 4514
	SANs        []ChallengeSAN `json:"sans,omitempty"`
	KeyUsage    []string       `json:"keyUsage,omitempty"`
	ExtKeyUsage []string       `json:"extKeyUsage,omitempty"` // names or OIDs
	KeyLength   int            `json:"keyLength,omitempty"`
	ExpiresIn   string         `json:"expiresIn,omitempty"` // such as "1h"
	DeviceID    string         `json:"deviceID,omitempty"`
	UserID      string         `json:"userID,omitempty"`
}

// ChallengeSAN has the type email, upn, dns, uri or ip.
type ChallengeSAN struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Fault makes the next Times calls of an operation misbehave, all of them until
// the faults are cleared when Times is 0.
type Fault struct {
	Operation  string `json:"operation"`
	Times      int    `json:"times"`
	Status     int    `json:"status,omitempty"`
	RetryAfter string `json:"retryAfter,omitempty"`
	Code       string `json:"code,omitempty"`
	Body       string `json:"body,omitempty"`
	Delay      string `json:"delay,omitempty"`
	Drop       bool   `json:"drop,omitempty"`
}

// Call is a call that the simulator received.
type Call struct {
	Time      time.Time       `json:"time"`
	Operation string          `json:"operation"`
	Headers   json.RawMessage `json:"headers"`
	Body      json.RawMessage `json:"body"`
	Status    int             `json:"status"`
	Answer    json.RawMessage `json:"answer"`
}

// Certificate is one that Intune's console would list.
type Certificate struct {
	DeviceID      string `json:"deviceID"`
	TransactionID string `json:"transactionID"`
	Thumbprint    string `json:"thumbprint"`
	SerialNumber  string `json:"serialNumber"`
	Expires       string `json:"expires"`
	Issuer        string `json:"issuer"`
	State         string `json:"state"` // issued, failed or revoked
}

// Challenge returns a fresh SCEP challenge.
func (s *Sim) Challenge(ctx context.Context, c Challenge) (string, error) {
	var answer struct {
		Challenge string `json:"challenge"`
	}
	err := s.control(ctx, http.MethodPost, "challenges", c, &answer)
	return answer.Challenge, err
}

// AddFault adds a fault.
func (s *Sim) AddFault(ctx context.Context, f Fault) error {
	return s.control(ctx, http.MethodPost, "faults", f, nil)
}

// ClearFaults ends all faults.
func (s *Sim) ClearFaults(ctx context.Context) error {
	return s.control(ctx, http.MethodDelete, "faults", nil, nil)
}

// Calls returns the calls received, the oldest first.
func (s *Sim) Calls(ctx context.Context) ([]Call, error) {
	var calls []Call
	err := s.control(ctx, http.MethodGet, "requests", nil, &calls)
	return calls, err
}

// ForgetCalls empties the list that Calls returns.
func (s *Sim) ForgetCalls(ctx context.Context) error {
	return s.control(ctx, http.MethodDelete, "requests", nil, nil)
}

// Certificates returns what Intune's console would list.
func (s *Sim) Certificates(ctx context.Context) ([]Certificate, error) {
	var certificates []Certificate
	err := s.control(ctx, http.MethodGet, "certificates", nil, &certificates)
	return certificates, err
}

// Untarget takes the profile away from a device.
func (s *Sim) Untarget(ctx context.Context, deviceID string) error {
	return s.control(ctx, http.MethodPost, "untarget", map[string]string{"deviceID": deviceID}, nil)
}

func (s *Sim) control(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("controlling the simulator: %w", err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.URL+"/_sim/"+path, body)
	if err != nil {
		return fmt.Errorf("controlling the simulator: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("controlling the simulator: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("controlling the simulator: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("controlling the simulator: %s %s: %s: %s", method, path, answer.Status, strings.TrimSpace(string(text)))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("controlling the simulator: %s %s: %w", method, path, err)
	}
	return nil
}
