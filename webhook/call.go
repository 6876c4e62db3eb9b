package webhook

import (
	"errors"
	"fmt"
	"time"
)

// call is the part of step-ca's webhook.RequestBody that is of use here. The rest, the
// request and the certificate taken apart, is skipped: the DER form says it all, and only
// the DER form is what the device signed.
type call struct {
	Timestamp              time.Time `json:"timestamp"`
	ProvisionerName        string    `json:"provisionerName"`
	X509CertificateRequest *der      `json:"x509CertificateRequest"`
	X509Certificate        *der      `json:"x509Certificate"`
	SCEPChallenge          string    `json:"scepChallenge"`
	SCEPTransactionID      string    `json:"scepTransactionID"`
	SCEPErrorDescription   string    `json:"scepErrorDescription"`
}

type der struct {
	Raw []byte `json:"raw"`
}

// fits reports whether a call is one that step-ca makes to a hook of this kind and
// provisioner. Only a SCEPCHALLENGE call names its provisioner, and only a NOTIFYING call
// carries a certificate or a failure.
func (c *call) fits(h *Hook) error {
	if c.X509CertificateRequest == nil || len(c.X509CertificateRequest.Raw) == 0 {
		return errors.New("the call has no certificate request")
	}
	outcome := c.X509Certificate != nil || c.SCEPErrorDescription != ""
	switch h.kind {
	case SCEPChallenge:
		if outcome {
			return errors.New("a NOTIFYING call for a SCEPCHALLENGE hook")
		}
		if c.ProvisionerName != h.provisioner {
			return fmt.Errorf("a call of provisioner %q for a hook of %q", c.ProvisionerName, h.provisioner)
		}
	case Notifying:
		if !outcome || c.SCEPChallenge != "" {
			return errors.New("a SCEPCHALLENGE call for a NOTIFYING hook")
		}
		if c.X509Certificate != nil && len(c.X509Certificate.Raw) == 0 {
			return errors.New("the call has a certificate without its DER form")
		}
	default:
		return fmt.Errorf("a hook of kind %q", h.kind)
	}
	return nil
}

func (c *call) challenge(requestID string) Challenge {
	return Challenge{
		TransactionID: c.SCEPTransactionID,
		RequestID:     requestID,
		CSR:           c.X509CertificateRequest.Raw,
		Password:      c.SCEPChallenge,
	}
}

func (c *call) notification() Notification {
	n := Notification{TransactionID: c.SCEPTransactionID, CSR: c.X509CertificateRequest.Raw, Failure: c.SCEPErrorDescription}
	if c.X509Certificate != nil {
		n.Certificate = c.X509Certificate.Raw
	}
	return n
}
