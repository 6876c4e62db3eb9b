package main

import (
	"crypto/sha1" //nolint:gosec // Intune's thumbprints are SHA-1
	"crypto/x509"
	"encoding/json"
	"fmt"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// calls are those that Intune received about one transaction.
type calls []intunesim.Request

func (d *demo) callsOf(m *device.Message) (calls, error) {
	all, err := d.sim.Requests()
	if err != nil {
		return nil, err
	}
	var ours calls
	for _, c := range all {
		var body struct {
			Request, Notification struct{ TransactionID string }
		}
		if json.Unmarshal([]byte(c.Body), &body) != nil {
			continue // a token request is no JSON
		}
		if body.Request.TransactionID == m.TransactionID || body.Notification.TransactionID == m.TransactionID {
			ours = append(ours, c)
		}
	}
	return ours, nil
}

// lastCode is Intune's last result code, empty where it gave none.
func (c calls) lastCode() string {
	if len(c) == 0 {
		return ""
	}
	last := c[len(c)-1]
	var answer struct{ Code string }
	if json.Unmarshal([]byte(last.Answer), &answer) != nil || answer.Code == "" {
		return fmt.Sprintf("HTTP %d", last.Status)
	}
	return answer.Code
}

func (c calls) count(operation intunesim.Operation) int {
	n := 0
	for _, one := range c {
		if one.Operation == operation {
			n++
		}
	}
	return n
}

func (c calls) none(operation intunesim.Operation) error {
	if n := c.count(operation); n > 0 {
		return fmt.Errorf("at Intune: %d calls %s", n, operation)
	}
	return nil
}

// reported checks that Intune was asked once, told once, and told no failure.
func (c calls) reported() error {
	for _, operation := range []intunesim.Operation{intunesim.OpValidate, intunesim.OpSuccess} {
		if n := c.count(operation); n != 1 {
			return fmt.Errorf("at Intune: %d calls %s instead of one", n, operation)
		}
	}
	return c.none(intunesim.OpFailure)
}

// listed returns what Intune's console shows for the transaction.
func (d *demo) listed(m *device.Message) ([]intunesim.Certificate, error) {
	all, err := d.sim.Certificates()
	if err != nil {
		return nil, err
	}
	var ours []intunesim.Certificate
	for _, c := range all {
		if c.TransactionID == m.TransactionID {
			ours = append(ours, c)
		}
	}
	return ours, nil
}

func sameInIntune(listed []intunesim.Certificate, c *x509.Certificate) error {
	if len(listed) != 1 {
		return fmt.Errorf("in Intune's list: %d certificates for the transaction", len(listed))
	}
	l := listed[0]
	thumbprint := fmt.Sprintf("%X", sha1.Sum(c.Raw)) //nolint:gosec // as above
	serial := fmt.Sprintf("%X", c.SerialNumber.Bytes())
	if l.State != intunesim.StateIssued || l.Thumbprint != thumbprint || l.SerialNumber != serial || !l.Expires.Equal(c.NotAfter) {
		return fmt.Errorf("in Intune's list: %s %s, expires %s, as %s", l.SerialNumber, l.Thumbprint, l.Expires, l.State)
	}
	return nil
}
