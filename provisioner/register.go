package provisioner

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/logging"
	"github.com/smallstep/certificates/monitoring"
	"go.step.sm/crypto/pemutil"

	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// Plugin is the provisioner type Intune in this process.
type Plugin struct {
	version string

	mu      sync.Mutex
	running map[string]serving // by configuration file
	// states are those of CAs without a database, by configuration file: a reload hands
	// them on.
	states map[string]*state
	boards map[string]*status.Board // what is shown of each CA, by configuration file
}

// serving is what a running CA serves, as far as a reload cannot change it.
type serving struct{ scep, intune bool }

// Register adds the provisioner type Intune to every certificate authority that step-ca
// constructs from now on. It must be called after step-ca's CAS packages are imported,
// that is, in main, and once. The version is told to Intune with each call.
func Register(version string) *Plugin {
	p := &Plugin{version: version, running: map[string]serving{}, states: map[string]*state{}, boards: map[string]*status.Board{}}
	for _, typ := range []apiv1.Type{apiv1.SoftCAS, apiv1.CloudCAS, apiv1.StepCAS, apiv1.VaultCAS, apiv1.ExternalCAS} {
		if original, ok := apiv1.LoadCertificateAuthorityServiceNewFunc(typ); ok {
			apiv1.Register(typ, func(ctx context.Context, o apiv1.Options) (apiv1.CertificateAuthorityService, error) {
				return p.construct(ctx, o, typ, original)
			})
		}
	}
	return p
}

// Stop ends what has no database to wait for it: it waits for the enrolments under way,
// delivers what it can and logs what is lost. Call it when step-ca has stopped.
func (p *Plugin) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.states {
		s.end()
	}
	for _, b := range p.boards {
		b.Close()
	}
}

// construct is step-ca's constructor of a certificate authority service, for an authority
// that is being made. Without an authority (a CA's keys are being created) or without a
// file there are no Intune entries.
func (p *Plugin) construct(ctx context.Context, o apiv1.Options, typ apiv1.Type, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
	a, ok := authority.FromContext(ctx)
	if !ok || o.IsCreator || !a.GetConfig().WasLoadedFromFile() {
		return original(ctx, o)
	}
	conf := a.GetConfig()
	raw, err := readEntries(conf.Filepath())
	if err != nil {
		return nil, err
	}
	raw = intuneOnly(raw)
	if err := suitable(conf, typ, raw); err != nil {
		return nil, err
	}
	shown, err := readStatusSettings(conf.Filepath())
	if err != nil {
		return nil, err
	}
	if typ != apiv1.SoftCAS && shown.StatusAddress != "" {
		return nil, topError("statusAddress", fmt.Errorf("there is nothing to show with authority.type %q: leave it out", typ))
	}
	database := wrapDatabase(a.GetDatabase())
	names, err := readNames(a, raw, database)
	if err != nil {
		return nil, err
	}
	if err := p.reloadable(conf.Filepath(), names.neighbours, raw); err != nil {
		if lost := names.known.missing(raw); len(lost) > 0 {
			err = fmt.Errorf("%w; ca.json has lost the Intune provisioners %q", err, lost)
		}
		return nil, err
	}
	if err := wellFormed(conf, raw); err != nil {
		return nil, err
	}
	inner, err := original(ctx, o)
	if err != nil {
		return nil, err
	}
	if typ != apiv1.SoftCAS {
		p.serve(conf.Filepath(), serving{scep: servesSCEP(names.neighbours)})
		return inner, names.remote.install(nil)
	}
	return p.decorate(a, o, inner, raw, database, names, shown)
}

// wellFormed builds what step-ca builds after the provisioners: a reload that fails on it
// would have announced them already.
func wellFormed(conf *config.Config, intune []rawEntry) error {
	if len(intune) == 0 {
		return nil
	}
	if len(conf.Logger) > 0 {
		if _, err := logging.New("ca", conf.Logger); err != nil {
			return err
		}
	}
	if len(conf.Monitoring) > 0 {
		if _, err := monitoring.New(conf.Monitoring); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plugin) decorate(a *authority.Authority, o apiv1.Options, inner apiv1.CertificateAuthorityService, raw []rawEntry, database *waitingDB, names *names, shown statusSettings) (apiv1.CertificateAuthorityService, error) {
	soft, err := asSoftCAS(inner)
	if err != nil {
		return nil, err
	}
	if len(o.CertificateChain) == 0 {
		return nil, errors.New("the issuing CA has no certificate")
	}
	issuer := o.CertificateChain[0]
	conf := a.GetConfig()
	i := newInstance(a, newLogger(conf.Logger))
	i.chain, i.names = o.CertificateChain, names
	var entries []*entry
	for n := range raw {
		e, err := newEntry(&raw[n], issuer, database != nil, i.log, p.version)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	cas := append(rootsOf(conf), o.CertificateChain...)
	if err := i.install(entries, cas); err != nil {
		return nil, err
	}
	if err := names.remote.install(cas); err != nil {
		return nil, err
	}
	i.board = p.board(conf.Filepath())
	// Without Intune entries there may still be reports of those that are gone.
	if len(entries) > 0 || database != nil && shown.StatusAddress != "" {
		if i.state, err = p.state(conf.Filepath(), database, i.log); err != nil {
			return nil, err
		}
	}
	i.onStart = func() error {
		if err := i.names.serve(i); err != nil {
			return err
		}
		if len(entries) > 0 {
			// By now step-ca has put those of remote management there.
			for _, name := range x5cTrusting(neighboursIn(conf), cas) {
				warnOfX5C(name, i.log)
			}
		}
		if err := i.board.Listen(shown.StatusAddress, shown.StatusAllowRemote, i.log); err != nil {
			return topError("statusAddress", err)
		}
		i.board.Show(i)
		p.serve(conf.Filepath(), serving{scep: len(entries) > 0 || servesSCEP(names.neighbours), intune: len(entries) > 0})
		if len(entries) > 0 {
			i.state.deliverFirst(i)
		}
		return nil
	}
	return &service{inner: soft, instance: i}, nil
}

// state returns the state of a database, or, without one, that which this process keeps for
// a configuration file.
func (p *Plugin) state(file string, database *waitingDB, log *slog.Logger) (*state, error) {
	if database != nil {
		return database.open(log)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.states[file]; s != nil {
		return s, nil
	}
	s, err := memoryState(log)
	if err == nil {
		p.states[file] = s
	}
	return s, err
}

// board returns what is shown of the CA of a configuration file. Reloads do not begin it
// anew.
func (p *Plugin) board(file string) *status.Board {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.boards[file] == nil {
		p.boards[file] = status.NewBoard(p.version)
	}
	return p.boards[file]
}

// serve notes what the CA of a configuration file serves. A reload cannot change whether it
// is SCEP, and may still fail after this: Intune entries that it removes are not forgotten.
func (p *Plugin) serve(file string, s serving) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.running[file]; ok {
		s = serving{scep: old.scep, intune: old.intune || s.intune}
	}
	p.running[file] = s
}

// reloadable refuses a reload that adds the first SCEP provisioner or removes the last:
// step-ca would crash or serve half of it.
func (p *Plugin) reloadable(file string, neighbours []neighbour, intune []rawEntry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, running := p.running[file]
	next := serving{scep: servesSCEP(neighbours) || len(intune) > 0, intune: len(intune) > 0}
	if !running || old.scep == next.scep || (!old.intune && !next.intune) {
		return nil
	}
	if next.scep {
		return errors.New("the first SCEP provisioner cannot be added by a reload: restart step-ca")
	}
	return errors.New("the last SCEP provisioner cannot be removed by a reload: restart step-ca")
}

func servesSCEP(all []neighbour) bool {
	return slices.ContainsFunc(all, func(n neighbour) bool { return n.scep })
}

func intuneOnly(entries []rawEntry) []rawEntry {
	var ours []rawEntry
	for _, e := range entries {
		if e.isIntune() {
			ours = append(ours, e)
		}
	}
	return ours
}

// suitable refuses settings of the authority that would open a door past Intune.
func suitable(conf *config.Config, typ apiv1.Type, intune []rawEntry) error {
	if len(intune) == 0 {
		return nil
	}
	var wrong mistakes
	first := &intune[0]
	if typ != apiv1.SoftCAS {
		wrong.note(first.err("", "authority.type is %q: an Intune provisioner needs softcas, step-ca's own, since the others sign what the device asked for instead of what Intune approved", typ))
	}
	if conf.AuthorityConfig.EnableAdmin && isLinked(conf.AuthorityConfig) {
		wrong.note(first.err("", "this is a linked CA (authority.authorityId or authority.deploymentType is set, or step-ca has a token): Smallstep keeps its provisioners, where an Intune provisioner cannot be"))
	}
	if conf.AuthorityConfig.EnableAdmin && conf.DB == nil {
		wrong.note(first.err("", "authority.enableAdmin is set and ca.json has no db: remote management needs a database"))
	}
	if c := conf.AuthorityConfig.Claims; c != nil && c.DisableSmallstepExtensions != nil && *c.DisableSmallstepExtensions {
		wrong.note(first.err("", "authority.claims.disableSmallstepExtensions must not be set: without step-ca's extension a device could renew its certificate without Intune"))
	}
	return wrong.err()
}

// closeWithoutHook gives the provisioner a random challenge. step-ca compares challenges
// when a provisioner has no SCEPCHALLENGE webhook, and finds an unset one equal to an
// empty one: losing the hook must close the provisioner, not open it.
func closeWithoutHook(p *provisioner.SCEP) error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("making a random challenge: %w", err)
	}
	p.ChallengePassword = hex.EncodeToString(secret)
	return nil
}

// rootsOf returns the CA's own roots, as far as they can be read: step-ca itself stops at
// one that cannot.
func rootsOf(conf *config.Config) []*x509.Certificate {
	var all []*x509.Certificate
	for _, file := range conf.Root {
		if roots, err := pemutil.ReadCertificateBundle(file); err == nil {
			all = append(all, roots...)
		}
	}
	return all
}

// x5cTrusting returns the names of X5C provisioners that trust one of the CA's certificates:
// with them every device can ask for other certificates. That is the operator's choice.
func x5cTrusting(all []neighbour, cas []*x509.Certificate) (names []string) {
	for _, n := range all {
		if trusts(n.x5cRoots, cas) {
			names = append(names, n.name)
		}
	}
	return names
}

func warnOfX5C(name string, log *slog.Logger) {
	log.Warn("an X5C provisioner trusts this CA: every device with a certificate of an Intune provisioner can get others through it", "provisioner", name)
}

// trusts reports whether a PEM bundle of roots holds one of the CA's certificates.
func trusts(roots []byte, cas []*x509.Certificate) bool {
	trusted, err := pemutil.ParseCertificateBundle(roots)
	return err == nil && shareOne(cas, trusted) // step-ca itself says what is wrong with them
}

func shareOne(a, b []*x509.Certificate) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Equal(y) {
				return true
			}
		}
	}
	return false
}

// newLogger returns a logger in the format of ca.json's logger.format. STEPDEBUG=1, which
// makes step-ca talkative, does the same here.
func newLogger(raw json.RawMessage) *slog.Logger {
	var conf struct {
		Format string `json:"format"`
	}
	_ = json.Unmarshal(raw, &conf) // step-ca refuses what is wrong here
	options := &slog.HandlerOptions{}
	if os.Getenv("STEPDEBUG") == "1" {
		options.Level = slog.LevelDebug
	}
	if strings.EqualFold(conf.Format, "json") {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
