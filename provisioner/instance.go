package provisioner

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
	"github.com/step-ca-intune/step-ca-intune/webhook"
)

// instance is the plugin in one authority. A reload makes a new authority and with it a
// new instance; a request under way ends on the instance that it began on.
type instance struct {
	authority  *authority.Authority
	chain      []*x509.Certificate // of the issuing CA
	entries    map[string]*entry   // by name
	names      *names
	enrolments *enrolments
	issued     *issuedCertificates
	refusals   *refusals
	state      *state
	board      *status.Board
	log        *slog.Logger

	startOnce sync.Once
	serveOnce sync.Once
	onStart   func() error
}

func newInstance(a *authority.Authority, log *slog.Logger) *instance {
	return &instance{
		authority:  a,
		entries:    map[string]*entry{},
		names:      &names{},
		enrolments: newEnrolments(maxEnrolments),
		issued:     newIssuedCertificates(maxIssued, time.Now),
		refusals:   newRefusals(time.Now),
		board:      status.NewBoard(""),
		log:        log,
		onStart:    func() error { return nil },
	}
}

// install puts the entries into the authority under construction. step-ca initialises
// provisioners and webhooks afterwards. The certificates are those of the CA itself.
func (i *instance) install(entries []*entry, cas []*x509.Certificate) error {
	if len(entries) == 0 {
		return nil
	}
	var hooks []*webhook.Hook
	for _, e := range entries {
		if err := closeWithoutHook(e.scep); err != nil {
			return err
		}
		e.instance = i
		i.entries[e.name] = e
		hooks = append(hooks, e.hooks()...)
		if err := i.serveBySCEP(e); err != nil {
			return err
		}
	}
	handler := webhook.NewHandler(i.log, hooks...)
	enforcer, err := newNameEnforcer(i, cas)
	if err != nil {
		return err
	}
	for _, option := range []authority.Option{
		authority.WithTransportWrapper(func(t *http.Transport) http.RoundTripper { return handler.RoundTripper(t) }),
		authority.WithX509Enforcers(enforcer),
	} {
		if err := option(i.authority); err != nil {
			return fmt.Errorf("installing the Intune provisioners: %w", err)
		}
	}
	return nil
}

// serveBySCEP hands the SCEP provisioner of an entry to step-ca.
func (i *instance) serveBySCEP(e *entry) error {
	if i.names.remote != nil {
		return i.names.remote.add(e)
	}
	conf := i.authority.GetConfig().AuthorityConfig
	conf.Provisioners = append(conf.Provisioners, e.scep)
	return nil
}

// started is called for the CA's own TLS certificate. step-ca asks for the first one after
// it has initialised the provisioners, at a start and a reload only, and merely logs when
// one of them failed: an error here stops the start, or keeps the old configuration. The
// later renewals of the certificate must never fail for it.
func (i *instance) started() (err error) {
	i.startOnce.Do(func() {
		if err = i.standing(); err == nil {
			err = i.onStart()
		}
	})
	return err
}

// serves is called for each request that the instance serves. The first one after a reload
// shows that it has come through. A reload that step-ca refuses after the plugin has taken
// it leaves the one before serving: the board shows who serves.
func (i *instance) serves() {
	i.board.Show(i)
	i.serveOnce.Do(func() {
		// No request waits for what the instance before has under way.
		go func() {
			if !i.state.deliveredBy(i) {
				i.state.deliver(i)
			}
		}()
	})
}

// standing reports whether step-ca serves all our provisioners.
func (i *instance) standing() error {
	for name, e := range i.entries {
		loaded, err := i.authority.LoadProvisionerByName(name)
		if err != nil {
			return fmt.Errorf("provisioner %q: step-ca does not serve it: %w", name, err)
		}
		if broken, ok := loaded.(provisioner.Uninitialized); ok {
			return fmt.Errorf("provisioner %q: step-ca could not initialise it: %w", name, broken.Reason)
		}
		if scep, ok := loaded.(*provisioner.SCEP); !ok || !i.names.remote.isServed(scep, e.scep) {
			return fmt.Errorf("provisioner %q: step-ca serves another provisioner of this name", name)
		}
		e.log.Info("Intune provisioner ready", "tenant", e.tenant, "path", "/scep/"+name, "timeout", e.timeout.String())
	}
	if len(i.entries) > 0 && i.authority.GetSCEP() == nil {
		return errors.New("step-ca has not started its SCEP service")
	}
	return nil
}

// claim makes a request this enrolment's alone, in all replicas, or returns the
// certificate that the same request got a moment ago. A revoked one is never handed out
// again.
func (i *instance) claim(ctx context.Context, e *enrolment) (*report.Claim, *apiv1.CreateCertificateResponse, error) {
	until := e.deadline.Add(grace)
	claim, issued, err := i.state.store.Begin(ctx, e.record(), until)
	for err == nil && issued != nil {
		earlier, unknown := i.recall(e.key, issued.Serial)
		if earlier != nil || unknown != nil {
			return nil, earlier, unknown
		}
		i.issued.forget(e.key)
		claim, issued, err = i.state.store.Restart(ctx, e.record(), issued, until)
	}
	if errors.Is(err, report.ErrWaiting) {
		err = fmt.Errorf("%w: %w", errDuplicate, err)
	}
	return claim, nil, err
}

// recall returns the certificate with a serial number in decimal, as it was issued for a
// request, unless it is gone or was revoked. A database that does not answer has said neither.
func (i *instance) recall(k key, serial string) (*apiv1.CreateCertificateResponse, error) {
	revoked, err := i.authority.IsRevoked(serial)
	if err != nil || revoked {
		return nil, err
	}
	if r := i.issued.recall(k); r != nil && r.Certificate.SerialNumber.String() == serial {
		return r, nil
	}
	if !i.state.lasting {
		return nil, nil
	}
	cert, err := i.authority.GetDatabase().GetCertificate(serial)
	switch {
	case nosql.IsErrNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the certificate that the request has got: %w", err)
	}
	return &apiv1.CreateCertificateResponse{Certificate: cert, CertificateChain: i.chain}, nil
}

// revoke revokes a certificate in step-ca's database; a second time does nothing. Without
// a database nothing is stored and there is nothing to revoke.
func (i *instance) revoke(cert *x509.Certificate) error {
	if !i.state.lasting {
		return nil
	}
	serial := cert.SerialNumber.String()
	if revoked, err := i.authority.IsRevoked(serial); err == nil && revoked {
		return nil
	}
	ctx := provisioner.NewContextWithMethod(context.Background(), provisioner.RevokeMethod)
	return i.authority.Revoke(ctx, &authority.RevokeOptions{
		Serial:      serial,
		Reason:      "the certificate did not reach the device",
		ReasonCode:  5, // cessationOfOperation, RFC 5280 section 5.3.1
		PassiveOnly: true,
		ACME:        true, // the way to revoke by certificate, without a token
		Crt:         cert,
	})
}
