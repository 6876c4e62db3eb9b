package intunesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"
	"unicode/utf8"
)

// successNotification records a certificate that the CA is about to hand out.
func (s *Server) successNotification(c *call) answer {
	notification, refused := s.notification(c,
		[]string{"certificateThumbprint", "certificateSerialNumber", "certificateExpirationDateUtc", "issuingCertificateAuthority"},
		[]string{"caConfiguration", "certificateAuthority"})
	if refused != nil {
		return *refused
	}
	common, err := parseCommon(notification)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	certificate, err := parseCertificate(notification)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	return notified(c, common, s.console.issued(common, certificate))
}

// failureNotification records that the CA could not issue.
func (s *Server) failureNotification(c *call) answer {
	notification, refused := s.notification(c, []string{"hResult", "errorDescription"}, nil)
	if refused != nil {
		return *refused
	}
	common, err := parseCommon(notification)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	// An HRESULT is a signed number of 32 bits, and 0 means success ([MS-ERREF] 2.1).
	var hResult int32
	if err := json.Unmarshal(notification["hResult"], &hResult); err != nil || hResult == 0 {
		return intuneError(c, http.StatusBadRequest, "hResult must be a signed 32-bit number other than 0")
	}
	description, err := text(notification, "errorDescription")
	if err != nil || utf8.RuneCountInString(description) > 255 {
		return intuneError(c, http.StatusBadRequest, "errorDescription must have 1 to 255 characters")
	}
	return notified(c, common, s.console.failed(common, hResult, description))
}

// notified is the answer to a notification. A request that belongs to no
// transaction may be none at all.
func notified(c *call, n common, refused *refusal) answer {
	if refused == nil {
		return intuneResult(c, "Success", "")
	}
	if _, err := parseCSR(n.csr); err != nil {
		return intuneResult(c, "CertificateRequestDecodingFailed", err.Error())
	}
	return intuneResult(c, refused.code, refused.description)
}

// notification takes the envelope off a notification with the given fields
// beside those that all have.
func (s *Server) notification(c *call, required, optional []string) (map[string]json.RawMessage, *answer) {
	if a, ok := s.admit(c, scepVersion); !ok {
		return nil, &a
	}
	outer, err := object(c.body, []string{"notification"}, nil)
	if err == nil {
		var inner map[string]json.RawMessage
		required = append([]string{"transactionId", "certificateRequest", "callerInfo"}, required...)
		if inner, err = object(outer["notification"], required, optional); err == nil {
			return inner, nil
		}
	}
	a := intuneError(c, http.StatusBadRequest, err.Error())
	return nil, &a
}

var (
	thumbprintForm = regexp.MustCompile(`^[0-9A-F]{40}$`)
	// A serial number has at most 20 octets (RFC 5280 section 4.1.2.2); a
	// leading 00 would be the sign byte of its encoding.
	serialForm = regexp.MustCompile(`^[0-9A-F]{1,40}$`)
	signByte   = regexp.MustCompile(`^00.`)
	// Milliseconds are the rule; Microsoft's own libraries send up to seven digits.
	expiryForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,7}Z$`)
)

// parseCertificate reads the fields of a success notification.
func parseCertificate(members map[string]json.RawMessage) (Certificate, error) {
	var (
		out    Certificate
		expiry string
		errs   [6]error
	)
	out.Thumbprint, errs[0] = text(members, "certificateThumbprint")
	out.SerialNumber, errs[1] = text(members, "certificateSerialNumber")
	expiry, errs[2] = text(members, "certificateExpirationDateUtc")
	out.Issuer, errs[3] = text(members, "issuingCertificateAuthority")
	out.CAConfiguration, errs[4] = optionalText(members, "caConfiguration")
	out.CertificateAuthority, errs[5] = optionalText(members, "certificateAuthority")
	if err := errors.Join(errs[:]...); err != nil {
		return out, err
	}
	if !thumbprintForm.MatchString(out.Thumbprint) {
		return out, fmt.Errorf("certificateThumbprint %q is not SHA-1 in upper-case hex", out.Thumbprint)
	}
	if !serialForm.MatchString(out.SerialNumber) || signByte.MatchString(out.SerialNumber) {
		return out, fmt.Errorf("certificateSerialNumber %q is not upper-case hex without sign byte", out.SerialNumber)
	}
	var err error
	if out.Expires, err = time.Parse(time.RFC3339Nano, expiry); err != nil || !expiryForm.MatchString(expiry) {
		return out, fmt.Errorf("certificateExpirationDateUtc %q is not UTC with milliseconds", expiry)
	}
	if _, err := parseDN(out.Issuer); err != nil {
		return out, fmt.Errorf("issuingCertificateAuthority is not a distinguished name: %w", err)
	}
	return out, nil
}
