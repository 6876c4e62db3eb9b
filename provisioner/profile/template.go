package profile

import (
	"crypto/x509/pkix"
	"encoding/base64"
	"slices"
)

// DefaultTemplate is the certificate template of an Intune provisioner whose
// operator has set none. It takes everything from [Request.TemplateData].
const DefaultTemplate = `{
	"rawSubject": {{ toJson .Webhooks.intune.rawSubject }},
	"extensions": {{ toJson .Webhooks.intune.extensions }},
	"keyUsage": {{ toJson .Webhooks.intune.keyUsage }},
	"extKeyUsage": {{ toJson .Webhooks.intune.extKeyUsage }},
	"unknownExtKeyUsage": {{ toJson .Webhooks.intune.unknownExtKeyUsage }},
	"crlDistributionPoints": {{ toJson .Webhooks.intune.crlDistributionPoints }},
	"issuingCertificateURL": {{ toJson .Webhooks.intune.issuingCertificateURL }}
}`

// TemplateData returns what templates see as .Webhooks.intune. It holds plain
// JSON values only, and the same ones before and after a webhook's answer has
// carried them. docs/certificates.md describes each of them.
func (r *Request) TemplateData() map[string]any {
	sans := []any{}
	for _, san := range r.SANs {
		sans = append(sans, map[string]any{"type": san.Type, "value": san.Value})
	}
	extensions := []any{}
	for _, extension := range []*pkix.Extension{r.san, r.sidExt} {
		if extension != nil {
			extensions = append(extensions, map[string]any{
				"id":       extension.Id.String(),
				"critical": extension.Critical,
				"value":    base64.StdEncoding.EncodeToString(extension.Value),
			})
		}
	}
	known, unknown := templateNames(r.usages)
	return map[string]any{
		"rawSubject":            base64.StdEncoding.EncodeToString(r.RawSubject),
		"sans":                  sans,
		"extensions":            extensions,
		"keyUsage":              anys(keyUsageNames(r.keyUsage)),
		"extKeyUsage":           anys(known),
		"unknownExtKeyUsage":    anys(unknown),
		"crlDistributionPoints": anys(r.profile.crlURLs),
		"issuingCertificateURL": anys(r.profile.issuerURLs),
		"sid":                   r.sid,
	}
}

// templateNames splits usages into those that templates know by name and the
// identifiers of all others.
func templateNames(usages []usage) (known, unknown []string) {
	for _, u := range usages {
		i := slices.IndexFunc(templateUsages, func(t templateUsage) bool { return t.usage == u })
		if i >= 0 {
			known = append(known, templateUsages[i].name)
		} else {
			unknown = append(unknown, string(u))
		}
	}
	return known, unknown
}

// anys is what encoding/json would make of texts.
func anys(texts []string) []any {
	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = text
	}
	return values
}
