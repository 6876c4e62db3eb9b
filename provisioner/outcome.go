package provisioner

import (
	"context"
	"crypto/sha1" //nolint:gosec // a thumbprint, as Intune's console shows it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// outcome is how a request that reached validation ended.
type outcome string

const (
	outcomeIssued     outcome = status.Issued     // Intune knows the certificate and step-ca has answered with it
	outcomeRefused    outcome = status.Refused    // by Intune, or because it could never become a certificate
	outcomeFailed     outcome = status.Failed     // no certificate was signed, or it was taken back
	outcomeUnreported outcome = status.Unreported // signed and withheld: Intune has not accepted the report
)

// level is louder the more an operator has to do.
func (o outcome) level() slog.Level {
	switch o {
	case outcomeIssued:
		return slog.LevelInfo
	case outcomeRefused:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// logOutcome writes the one line that each request leaves, and counts it.
func (p *entry) logOutcome(e *enrolment, o outcome, res result, err error) {
	p.log.Log(context.WithoutCancel(e.ctx), o.level(), "enrolment", outcomeAttrs(e, o, res, err)...)
	p.showOutcome(e, o, res, err)
}

func outcomeAttrs(e *enrolment, o outcome, res result, err error) []any {
	attrs := []any{
		slog.String("outcome", string(o)),
		slog.String("transaction", clip(e.transactionID)),
		slog.String("request", clip(e.requestID)),
		milliseconds("ms", time.Since(e.started)),
	}
	subject, sans := e.names()
	attrs = append(attrs, slog.String("subject", clip(subject)), slog.String("sans", clip(sans)))
	if c := res.signed; c != nil {
		attrs = append(attrs, slog.String("serial", serialOf(c)), slog.String("thumbprint", thumbprintOf(c)))
	}
	if e.request != nil && len(e.request.Dropped) > 0 {
		attrs = append(attrs, slog.String("dropped", clip(strings.Join(e.request.Dropped, ", "))))
	}
	if res.repeated {
		attrs = append(attrs, slog.Bool("repeated", true))
	}
	attrs = res.validation.appendTo(attrs, "validation")
	attrs = res.notification.appendTo(attrs, "notification")
	if res.signing > 0 {
		attrs = append(attrs, milliseconds("signing_ms", res.signing))
	}
	if err == nil {
		return attrs
	}
	var service *intune.ServiceError
	if errors.As(err, &service) {
		attrs = append(attrs, slog.String("code", string(service.Code)), slog.String("description", clip(e.redact(service.Description))))
		if service.Advice != "" {
			attrs = append(attrs, slog.String("advice", service.Advice))
		}
	}
	return append(attrs, slog.String("err", e.redact(err.Error())))
}

func (c call) appendTo(attrs []any, name string) []any {
	if c.took == 0 {
		return attrs
	}
	return append(attrs, slog.Group(name, slog.String("activity", c.receipt.ActivityID), milliseconds("ms", c.took)))
}

// milliseconds is a duration as people and machines both read it.
func milliseconds(key string, d time.Duration) slog.Attr {
	return slog.Float64(key, float64(d.Microseconds())/1000)
}

// names returns subject and SANs for the log, also of a request that could not be read.
func (e *enrolment) names() (subject, sans string) {
	if e.request != nil {
		return subjectOf(e.request.RawSubject), sansOf(e.request)
	}
	if csr, err := x509.ParseCertificateRequest(e.csr); err == nil {
		return csr.Subject.String(), ""
	}
	return "", ""
}

func subjectOf(raw []byte) string {
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		return ""
	}
	return rdns.String()
}

func sansOf(r *profile.Request) string {
	sans := make([]string, len(r.SANs))
	for i, san := range r.SANs {
		sans[i] = san.Type + ":" + san.Value
	}
	return strings.Join(sans, " ")
}

// clip bounds what a device can write into one field of the log.
func clip(s string) string {
	const limit = 512
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

func serialOf(c *x509.Certificate) string {
	return strings.ToUpper(hex.EncodeToString(c.SerialNumber.Bytes()))
}

func thumbprintOf(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) //nolint:gosec // as above
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
