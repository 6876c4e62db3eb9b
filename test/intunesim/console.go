package intunesim

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// State is what the console says about a certificate.
type State string

// The states of a certificate.
const (
	StateIssued  State = "issued"
	StateFailed  State = "failed"
	StateRevoked State = "revoked"
)

// Certificate is a line of what Intune's console would list. A failure that
// was reported for a transaction without certificate is a line without
// thumbprint and serial number.
type Certificate struct {
	DeviceID             string    `json:"deviceID"`
	UserID               string    `json:"userID,omitempty"`
	TransactionID        string    `json:"transactionID"`
	Thumbprint           string    `json:"thumbprint"`
	SerialNumber         string    `json:"serialNumber"`
	Expires              time.Time `json:"expires,omitzero"`
	Issuer               string    `json:"issuer"`
	CAConfiguration      string    `json:"caConfiguration,omitempty"`
	CertificateAuthority string    `json:"certificateAuthority,omitempty"`
	State                State     `json:"state"`
	HResult              int32     `json:"hResult,omitempty"`          // of the failure
	ErrorDescription     string    `json:"errorDescription,omitempty"` // of the failure
}

// console is what Intune remembers of devices, transactions and certificates.
type console struct {
	mu           sync.Mutex
	untargeted   map[string]bool
	removed      map[Removal]bool
	transactions map[transactionKey]devices
	lines        []*Certificate
	byKey        map[transactionKey][]*Certificate
}

// transactionKey is a transaction: clients choose the ids, so two different
// requests may well bear the same one.
type transactionKey struct {
	id  string
	csr [32]byte
}

type devices struct{ device, user string }

func newConsole() *console {
	return &console{
		untargeted:   map[string]bool{},
		removed:      map[Removal]bool{},
		transactions: map[transactionKey]devices{},
		byKey:        map[transactionKey][]*Certificate{},
	}
}

func (c common) key() transactionKey { return transactionKey{c.transactionID, c.hash} }

// Removal names things that Intune no longer knows. Each of its fields may stay empty.
type Removal struct {
	DeviceID             string `json:"deviceID,omitempty"`
	UserID               string `json:"userID,omitempty"`
	CertificateRequestID string `json:"certificateRequestID,omitempty"`
}

// Untarget says that the profile no longer targets the device.
func (s *Server) Untarget(deviceID string) {
	s.console.mu.Lock()
	defer s.console.mu.Unlock()
	s.console.untargeted[deviceID] = true
}

// Remove deletes a device, a user or a certificate request from Intune, so that
// challenges made for it are refused.
func (s *Server) Remove(r Removal) {
	s.console.mu.Lock()
	defer s.console.mu.Unlock()
	for _, one := range []Removal{{DeviceID: r.DeviceID}, {UserID: r.UserID}, {CertificateRequestID: r.CertificateRequestID}} {
		if one != (Removal{}) {
			s.console.removed[one] = true
		}
	}
}

// check refuses challenges of devices, users and requests that are gone.
func (c *console) check(ch *payload, csr *csr) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed[Removal{DeviceID: ch.DeviceID}] {
		return refusef("BadDeviceIdInChallenge", "The device is not known.")
	}
	// The device says who it is in a URI of its own; nobody can use another's challenge.
	for _, san := range csr.sans {
		if id, ok := strings.CutPrefix(san.Value, "IntuneDeviceId://"); ok && san.Type == "uri" && ch.DeviceID != "" &&
			!strings.EqualFold(id, ch.DeviceID) {
			return refusef("BadDeviceIdInChallenge", "The challenge was made for another device.")
		}
	}
	switch {
	case c.removed[Removal{UserID: ch.UserID}]:
		return refusef("BadUserIdInChallenge", "The user is not known.")
	case c.removed[Removal{CertificateRequestID: ch.CertificateRequestID}]:
		return refusef("BadCertificateRequestIdInChallenge", "The certificate request is not known.")
	case c.untargeted[ch.DeviceID]:
		return refusef("ScepProfileNoLongerTargetedToTheClient", "The profile no longer targets the device.")
	}
	return nil
}

// approve remembers the transaction for the notification that follows.
func (c *console) approve(request common, ch *payload) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transactions[request.key()] = devices{ch.DeviceID, ch.UserID}
}

// find returns the transaction, which must have been validated with this very request.
func (c *console) find(n common) (devices, *refusal) {
	t, ok := c.transactions[n.key()]
	if !ok {
		return t, refusef("Unknown", "No validated transaction has this id and certificate request.")
	}
	return t, nil
}

// issued lists a certificate. A repeated notification changes nothing; a second
// certificate for the same transaction is a line of its own.
func (c *console) issued(n common, certificate Certificate) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, refused := c.find(n)
	if refused != nil {
		return refused
	}
	certificate.DeviceID, certificate.UserID, certificate.TransactionID = t.device, t.user, n.transactionID
	certificate.State = StateIssued
	for _, line := range c.byKey[n.key()] {
		switch {
		case line.Thumbprint == certificate.Thumbprint && line.State == StateRevoked:
			return nil
		case line.Thumbprint == certificate.Thumbprint, line.Thumbprint == "":
			*line = certificate
			return nil
		}
	}
	c.add(n, &certificate)
	return nil
}

// failed marks the transaction's certificates, or lists the failure when there are none.
func (c *console) failed(n common, hResult int32, description string) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, refused := c.find(n)
	if refused != nil {
		return refused
	}
	if len(c.byKey[n.key()]) == 0 {
		c.add(n, &Certificate{DeviceID: t.device, UserID: t.user, TransactionID: n.transactionID})
	}
	for _, line := range c.byKey[n.key()] {
		if line.State != StateRevoked {
			line.State, line.HResult, line.ErrorDescription = StateFailed, hResult, description
		}
	}
	return nil
}

func (c *console) add(n common, line *Certificate) {
	c.lines = append(c.lines, line)
	c.byKey[n.key()] = append(c.byKey[n.key()], line)
}

// bySerial finds the newest line of a certificate.
func (c *console) bySerial(serial string) (Certificate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range slices.Backward(c.lines) {
		if strings.EqualFold(line.SerialNumber, serial) {
			return *line, true
		}
	}
	return Certificate{}, false
}

func (c *console) revoked(serial string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.lines {
		if strings.EqualFold(line.SerialNumber, serial) {
			line.State = StateRevoked
		}
	}
}

// Certificates lists what was reported, in the order of the first reports.
func (s *Server) Certificates() []Certificate {
	s.console.mu.Lock()
	defer s.console.mu.Unlock()
	all := make([]Certificate, 0, len(s.console.lines))
	for _, line := range s.console.lines {
		all = append(all, *line)
	}
	return all
}
