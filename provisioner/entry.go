package provisioner

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/smallstep/certificates/authority/provisioner"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

// intuneClient is what an entry needs of [intune.Client].
type intuneClient interface {
	ValidateRequest(ctx context.Context, transactionID string, csr []byte) (intune.Receipt, error)
	SendSuccessNotification(ctx context.Context, transactionID string, csr []byte, issued intune.Issued) (intune.Receipt, error)
	SendFailureNotification(ctx context.Context, transactionID string, csr []byte, h intune.HResult, description string) (intune.Receipt, error)
}

var _ intuneClient = (*intune.Client)(nil)

// entry is an Intune provisioner of a running CA.
type entry struct {
	name    string
	tenant  string
	caID    string // what names the CA to Intune
	scep    *provisioner.SCEP
	client  intuneClient
	profile *profile.Profile
	timeout time.Duration // budget of one enrolment
	limiter *limiter
	queued  bool // success notifications are stored first and sent later

	instance *instance
	log      *slog.Logger
}

var _ webhook.Receiver = (*entry)(nil)

// newEntry returns the provisioner that an Intune entry of ca.json describes. The issuer
// is the issuing CA, nil where it is not known. With mistakes newEntry returns what can be
// read, with nil for what cannot.
func newEntry(r *rawEntry, issuer *x509.Certificate, hasDatabase bool, log *slog.Logger, version string) (*entry, error) {
	var wrong mistakes
	e := &entry{name: r.name, log: log.With("provisioner", r.name)}
	var err error
	e.scep, err = r.scepProvisioner()
	wrong.note(err)
	// SCEP encrypts to the CA, and of the keys that a CA can have only RSA decrypts.
	if issuer != nil && !hasRSAKey(issuer) && len(e.scep.DecrypterCertificate) == 0 {
		wrong.note(r.err("decrypterCertificate", "is missing: the issuing CA has no RSA key, so SCEP needs an RSA decrypter certificate issued by it and its key"))
	}
	raw, ok := r.get("intune")
	if !ok {
		wrong.note(r.err("intune", "is missing"))
		return e, wrong.err()
	}
	wrong.note(r.under(e.read(raw, hasDatabase, version)))
	if e.caID == "" && issuer != nil {
		if e.caID, err = intune.DistinguishedName(issuer.RawSubject); err != nil {
			wrong.note(r.err("intune.caID", "is missing, and the issuing CA's name cannot be used for it: %w", err))
		}
	}
	return e, wrong.err()
}

func hasRSAKey(c *x509.Certificate) bool {
	_, ok := c.PublicKey.(*rsa.PublicKey)
	return ok
}

// read takes over the `intune` object. The error names the key below it.
func (e *entry) read(raw json.RawMessage, hasDatabase bool, version string) (err error) {
	var wrong mistakes
	var s settings
	wrong.note(decodeAll(raw, &s))
	e.tenant, e.caID = s.Tenant, s.CAID
	conf, err := s.clientConfig()
	if e.timeout = conf.Timeout; wrong.note(err) {
		conf.Logger, conf.CallerInfo, conf.Observer = e.log, "step-ca-intune "+version, e.observe
		e.client, err = newClient(conf)
		wrong.note(err)
	}
	e.queued, err = s.queued(hasDatabase)
	wrong.note(err)
	e.limiter, err = s.limiter()
	wrong.note(err)
	s.Profile.MinimumKeyLength = e.scep.MinimumPublicKeyLength
	e.profile, err = s.Profile.Profile()
	wrong.note(err)
	return wrong.err()
}

// newClient returns the client of Microsoft's API, nil when there is none.
func newClient(conf intune.Config) (intuneClient, error) {
	c, err := intune.New(conf)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// hooks returns the two in-process webhooks of the entry and writes them into its SCEP
// provisioner, before the operator's own: step-ca stops at the first NOTIFYING hook that
// fails.
func (e *entry) hooks() []*webhook.Hook {
	hooks := []*webhook.Hook{
		webhook.NewHook(webhook.SCEPChallenge, e.name, e),
		webhook.NewHook(webhook.Notifying, e.name, e),
	}
	var ours []*provisioner.Webhook
	for _, h := range hooks {
		ours = append(ours, &provisioner.Webhook{
			ID:                   h.ID,
			Name:                 webhookName,
			URL:                  h.URL(),
			Kind:                 string(h.Kind()),
			Secret:               h.Secret,
			DisableTLSClientAuth: true, // step-ca's transport wrapper sees only such hooks
		})
	}
	e.scep.Options.Webhooks = append(ours, e.scep.Options.Webhooks...)
	return hooks
}
