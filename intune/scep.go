package intune

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

// SCEP operations and their version, from Microsoft's own library.
var (
	opValidate = operation{"validateRequest", scepService, "ScepActions/validateRequest", scepVersion, maxAnswer}
	opSuccess  = operation{"successNotification", scepService, "ScepActions/successNotification", scepVersion, maxAnswer}
	opFailure  = operation{"failureNotification", scepService, "ScepActions/failureNotification", scepVersion, maxAnswer}
)

const (
	scepVersion = "2018-02-20"
	maxAnswer   = 1 << 20 // bytes
	maxCSR      = 1 << 20 // bytes
	// maxDescription is Microsoft's limit for errorDescription, in characters
	// as .NET counts them.
	maxDescription = 255
)

type validation struct {
	TransactionID      string `json:"transactionId"`
	CertificateRequest []byte `json:"certificateRequest"` // base64 in JSON
	CallerInfo         string `json:"callerInfo"`
}

// ValidateRequest asks Intune whether the request is genuine: made by a device
// of the tenant, for an assigned SCEP profile, with nothing changed. Only a nil
// error is a yes; after any other answer no certificate may be issued.
//
// transactionID is the SCEP transaction id; csr is the DER PKCS#10 request
// exactly as the device sent it, for the challenge is inside.
//
// https://learn.microsoft.com/en-us/mem/intune/protect/scep-libraries-apis
func (c *Client) ValidateRequest(ctx context.Context, transactionID string, csr []byte) (Receipt, error) {
	if err := checkArguments(opValidate, transactionID, csr); err != nil {
		return Receipt{}, err
	}
	return c.call(ctx, opValidate, transactionID, map[string]validation{
		"request": {transactionID, csr, c.callerInfo},
	}, readAnswer, func() []string { return secretsOf(csr) })
}

type successNotification struct {
	validation
	Thumbprint           string `json:"certificateThumbprint"`
	SerialNumber         string `json:"certificateSerialNumber"`
	Expires              string `json:"certificateExpirationDateUtc"`
	Issuer               string `json:"issuingCertificateAuthority"`
	CAConfiguration      string `json:"caConfiguration,omitempty"`
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
}

// SendSuccessNotification tells Intune about an issued certificate. Unless it
// returns nil the certificate may not reach the device.
//
// https://learn.microsoft.com/en-us/mem/intune/protect/scep-libraries-apis
func (c *Client) SendSuccessNotification(ctx context.Context, transactionID string, csr []byte, issued Issued) (Receipt, error) {
	if err := checkArguments(opSuccess, transactionID, csr); err != nil {
		return Receipt{}, err
	}
	facts, err := issued.facts()
	if err != nil {
		return Receipt{}, fmt.Errorf("%s: checking arguments: %w", opSuccess.name, err)
	}
	return c.call(ctx, opSuccess, transactionID,
		c.successMessage(transactionID, csr, facts, issued.CAConfiguration, issued.CertificateAuthority), readAnswer, func() []string { return secretsOf(csr) })
}

func (c *Client) successMessage(transactionID string, csr []byte, f certificateFacts, configuration, authority string) any {
	return map[string]successNotification{"notification": {
		validation: validation{transactionID, csr, c.callerInfo},
		Thumbprint: f.thumbprint, SerialNumber: f.serial, Expires: f.expires, Issuer: f.issuer,
		CAConfiguration: configuration, CertificateAuthority: authority,
	}}
}

type failureNotification struct {
	validation
	HResult     HResult `json:"hResult"`
	Description string  `json:"errorDescription"`
}

// SendFailureNotification tells Intune that the CA failed after a validation
// that succeeded. It is not for errors that Intune itself answered. The
// administrator sees h, which is negative, and description in Intune's console; description is cut
// to 255 characters and must hold no secret.
//
// https://learn.microsoft.com/en-us/mem/intune/protect/scep-libraries-apis
func (c *Client) SendFailureNotification(ctx context.Context, transactionID string, csr []byte, h HResult, description string) (Receipt, error) {
	err := checkArguments(opFailure, transactionID, csr)
	switch {
	case err != nil:
		return Receipt{}, err
	case h >= 0:
		return Receipt{}, fmt.Errorf("%s: checking arguments: hResult %s would mean success", opFailure.name, h)
	case strings.TrimSpace(description) == "":
		return Receipt{}, fmt.Errorf("%s: checking arguments: the description is empty", opFailure.name)
	}
	return c.call(ctx, opFailure, transactionID, map[string]failureNotification{
		"notification": {validation{transactionID, csr, c.callerInfo}, h, cutDescription(description)},
	}, readAnswer, func() []string { return secretsOf(csr) })
}

// cutDescription keeps 255 characters, never half of one. .NET counts UTF-16
// units, so that a character outside the basic plane counts twice.
func cutDescription(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	units := 0
	for i, r := range s {
		if units += utf16.RuneLen(r); units > maxDescription {
			return s[:i]
		}
	}
	return s
}

func checkArguments(op operation, transactionID string, csr []byte) error {
	err := checkTransactionID(transactionID)
	if err == nil && len(csr) > maxCSR {
		err = errors.New("the certificate request is too large")
	}
	if err == nil {
		err = checkCSR(csr)
	}
	if err != nil {
		return fmt.Errorf("%s: checking arguments: %w", op.name, err)
	}
	return nil
}

// readAnswer approves nothing but the exact code Success beside a description.
// A refusal is HTTP 200, too.
func readAnswer(body []byte) outcome {
	a, err := parseAnswer(body)
	if err != nil {
		return outcome{err: &ServiceError{Kind: ErrUnavailable, Description: err.Error()}}
	}
	if a.code == CodeSuccess {
		return outcome{code: CodeSuccess}
	}
	code := a.code.fit()
	return outcome{code: code, err: &ServiceError{
		Kind: ErrRefused, Code: code, Description: redact(a.description), Advice: code.Advice(),
	}}
}
