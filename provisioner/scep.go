package provisioner

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/smallstep/certificates/authority/provisioner"

	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
)

const (
	// aes256CBC is smallstep/pkcs7's number for it. step-ca's own default is 0, DES.
	aes256CBC = 2
	// minimumKeyLength is the least RSA modulus that an Intune entry takes.
	minimumKeyLength = 2048
	// webhookName is the name of our hooks: templates see the data as .Webhooks.intune.
	webhookName = "intune"
)

// scepProvisioner returns the SCEP provisioner that step-ca is to serve for an Intune
// entry, without its challenge and hooks: all fields of the entry but `type` and
// `intune`, and Intune's defaults where the operator has set none. With mistakes it returns
// what can be read.
func (r *rawEntry) scepProvisioner() (*provisioner.SCEP, error) {
	var wrong mistakes
	for _, k := range []struct{ key, why string }{
		{"challenge", "does not belong on an Intune entry: Intune makes the challenges; for a static one add a provisioner of type SCEP"},
		{"forceCN", "does not belong on an Intune entry: a certificate holds the subject that Intune approved"},
	} {
		if r.has(k.key) {
			wrong.note(r.err(k.key, "%s", k.why))
		}
	}
	fields := map[string]json.RawMessage{}
	for k, v := range r.keys {
		if !strings.EqualFold(k, "intune") && !strings.EqualFold(k, "type") {
			fields[k] = v
		}
	}
	p := new(provisioner.SCEP)
	raw, err := json.Marshal(fields)
	if err != nil {
		return p, r.err("", "%w", err)
	}
	for _, err := range allOf(decodeAll(raw, p)) {
		var k *keyErr
		errors.As(err, &k)
		wrong.note(r.err(cmp.Or(k.key, culprit(fields)), "%w", k.err))
	}
	if len(p.DecrypterCertificate) > 0 && len(p.DecrypterKeyPEM) == 0 && p.DecrypterKeyURI == "" {
		wrong.note(r.err("decrypterKey", "is missing, and decrypterKeyPEM as well: the decrypter certificate is of no use without its key"))
	}
	p.Type = provisioner.TypeSCEP.String()
	if !r.has("encryptionAlgorithmIdentifier") {
		p.EncryptionAlgorithmIdentifier = aes256CBC
	}
	if p.MinimumPublicKeyLength == 0 {
		p.MinimumPublicKeyLength = minimumKeyLength
	}
	if p.MinimumPublicKeyLength < minimumKeyLength {
		wrong.note(r.err("minimumPublicKeyLength", "%d is less than %d", p.MinimumPublicKeyLength, minimumKeyLength))
	}
	if c := p.Claims; c != nil && c.DisableSmallstepExtensions != nil && *c.DisableSmallstepExtensions {
		wrong.note(r.err("claims.disableSmallstepExtensions", "must not be set: without step-ca's extension a device could renew its certificate without Intune"))
	}
	wrong.note(r.checkOptions(p))
	return p, wrong.err()
}

// culprit returns the field that cannot be decoded, where the error does not say so: some
// types of step-ca decode themselves.
func culprit(fields map[string]json.RawMessage) string {
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		one, err := json.Marshal(map[string]json.RawMessage{k: fields[k]})
		if err != nil || json.Unmarshal(one, new(provisioner.SCEP)) != nil {
			return k
		}
	}
	return ""
}

// checkOptions checks the operator's own webhooks and sets the default template.
func (r *rawEntry) checkOptions(p *provisioner.SCEP) error {
	if p.Options == nil {
		p.Options = new(provisioner.Options)
	}
	var wrong mistakes
	kinds := []string{"ENRICHING", "AUTHORIZING", "NOTIFYING"}
	for _, w := range p.Options.Webhooks {
		switch {
		case w == nil:
			wrong.note(r.err("options.webhooks", "an element is null"))
		case strings.EqualFold(w.Name, webhookName):
			wrong.note(r.err("options.webhooks", "the name %q is taken by the plugin", webhookName))
		case !slices.Contains(kinds, strings.ToUpper(w.Kind)):
			wrong.note(r.err("options.webhooks", "webhook %q is of kind %q; an Intune entry takes ENRICHING, AUTHORIZING and NOTIFYING, since Intune alone validates challenges", w.Name, w.Kind))
		}
	}
	if p.Options.X509 == nil {
		p.Options.X509 = new(provisioner.X509Options)
	}
	if x := p.Options.X509; !x.HasTemplate() {
		x.Template = profile.DefaultTemplate
	}
	return wrong.err()
}
