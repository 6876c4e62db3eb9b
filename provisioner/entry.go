package provisioner

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
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
// is the issuing CA.
func newEntry(r *rawEntry, issuer *x509.Certificate, hasDatabase bool, log *slog.Logger, version string) (*entry, error) {
	scep, err := r.scepProvisioner()
	if err != nil {
		return nil, err
	}
	// SCEP encrypts to the CA, and of the keys that a CA can have only RSA decrypts.
	if _, isRSA := issuer.PublicKey.(*rsa.PublicKey); !isRSA && len(scep.DecrypterCertificate) == 0 {
		return nil, r.err("decrypterCertificate", "is missing: the issuing CA has no RSA key, so SCEP needs an RSA decrypter certificate issued by it and its key")
	}
	raw, ok := r.get("intune")
	if !ok {
		return nil, r.err("intune", "is missing")
	}
	var s settings
	if key, err := decodeStrict(raw, &s); err != nil {
		return nil, r.under(&keyErr{key: key, err: err})
	}
	conf, err := s.clientConfig()
	if err != nil {
		return nil, r.under(err)
	}
	queued, err := s.queued(hasDatabase)
	if err != nil {
		return nil, r.under(err)
	}
	limiter, err := s.limiter()
	if err != nil {
		return nil, r.under(err)
	}
	log = log.With("provisioner", r.name)
	conf.Logger = log
	conf.CallerInfo = "step-ca-intune " + version
	client, err := intune.New(conf)
	if err != nil {
		return nil, r.under(err)
	}
	issuerName, err := intune.DistinguishedName(issuer.RawSubject)
	if err != nil {
		return nil, r.err("intune.caID", "is missing, and the issuing CA's name cannot be used for it: %w", err)
	}
	s.Profile.MinimumKeyLength = scep.MinimumPublicKeyLength
	limits, err := s.Profile.Profile()
	if err != nil {
		return nil, r.under(err)
	}
	return &entry{
		name:    r.name,
		tenant:  s.Tenant,
		caID:    cmp.Or(s.CAID, issuerName),
		scep:    scep,
		client:  client,
		profile: limits,
		timeout: conf.Timeout,
		limiter: limiter,
		queued:  queued,
		log:     log,
	}, nil
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
