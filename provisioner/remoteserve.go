package provisioner

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"log/slog"
	"strings"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/admin"
	admindb "github.com/smallstep/certificates/authority/admin/db/nosql"
	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/linkedca"
	"github.com/smallstep/nosql"
)

// isLinked reports whether a CA is linked: Smallstep keeps its provisioners then. step-ca
// sets the id from the token it was linked with.
func isLinked(conf *config.AuthConfig) bool {
	return conf.AuthorityID != "" || strings.EqualFold(conf.DeploymentType, "linked")
}

// openRemote opens the admin database of an authority under construction, nil without
// remote management. It is step-ca's own until [remoteDB.install].
func openRemote(a *authority.Authority, past []string, log *slog.Logger) (*remoteDB, error) {
	database, ok := a.GetDatabase().(nosql.DB)
	if conf := a.GetConfig().AuthorityConfig; !ok || !conf.EnableAdmin || isLinked(conf) {
		return nil, nil
	}
	inner, err := admindb.New(database, admin.DefaultAuthorityID)
	if err != nil {
		return nil, fmt.Errorf("opening the database of remote management: %w", err)
	}
	d := &remoteDB{DB: inner, authority: a, past: map[string]bool{}, log: log}
	for _, name := range past {
		d.past[name] = true
	}
	return d, nil
}

// install makes step-ca use the database, where there are names to be kept. The
// certificates are those of the CA itself.
func (d *remoteDB) install(cas []*x509.Certificate) error {
	if d == nil || len(d.ours) == 0 && len(d.past) == 0 {
		return nil
	}
	d.cas = cas
	return authority.WithAdminDB(d)(d.authority)
}

// add makes an entry one of the provisioners that are read.
func (d *remoteDB) add(e *entry) error {
	p, err := authority.ProvisionerToLinkedca(e.scep)
	if err != nil {
		return fmt.Errorf("provisioner %q: %w", e.name, err)
	}
	d.ours = append(d.ours, p)
	return nil
}

// neighboursOf returns the provisioners of a CA under construction that are not ours: those
// of the database, unless step-ca has still to copy them there from ca.json.
func neighboursOf(conf *config.Config, d *remoteDB) ([]neighbour, error) {
	if d != nil {
		if stored, err := storedIn(d.DB); err != nil || len(stored) > 0 {
			return stored, err
		}
	}
	return neighboursIn(conf), nil
}

// neighboursIn returns the provisioners of a configuration.
func neighboursIn(conf *config.Config) (all []neighbour) {
	for _, p := range conf.AuthorityConfig.Provisioners {
		n := neighbour{name: p.GetName(), scep: p.GetType() == provisioner.TypeSCEP}
		if x5c, ok := p.(*provisioner.X5C); ok {
			n.x5cRoots = x5c.Roots
		}
		all = append(all, n)
	}
	return all
}

// storedIn returns the provisioners of a database of remote management.
func storedIn(d *admindb.DB) (all []neighbour, err error) {
	stored, err := d.GetProvisioners(context.Background())
	if err != nil {
		return nil, fmt.Errorf("reading the provisioners of remote management: %w", err)
	}
	for _, p := range stored {
		all = append(all, neighbour{
			name: p.Name, scep: p.Type == linkedca.Provisioner_SCEP,
			x5cRoots: joinPEM(p.GetDetails().GetX5C().GetRoots()),
		})
	}
	return all, nil
}

// servedID is the id of one of our provisioners once it is served.
func servedID(name string) string { return "intune-entry-of-ca.json/" + name }

// isServed reports whether what step-ca serves under the name of an entry was made from it.
// With remote management step-ca has made a copy; nothing else has its random challenge.
func (d *remoteDB) isServed(served, own *provisioner.SCEP) bool {
	if d == nil {
		return served == own
	}
	return served.ChallengePassword == own.ChallengePassword
}

// seal closes what step-ca serves to administrators, before it answers its first request.
//
// step-ca removes a provisioner from memory before it asks the database, and looks for it
// by its id: with another one than it was loaded with, it is not found and stays. And it
// shows administrators every field in clear: what it needed only to initialise the
// provisioner goes, and the challenge becomes one of bytes that no JSON can hold.
func (d *remoteDB) seal(entries map[string]*entry) error {
	if d == nil {
		return nil
	}
	for name := range entries {
		loaded, err := d.authority.LoadProvisionerByName(name)
		if err != nil {
			return err
		}
		p, ok := loaded.(*provisioner.SCEP)
		if !ok {
			return fmt.Errorf("provisioner %q: step-ca serves it as %T", name, loaded)
		}
		p.ID = servedID(name)
		p.DecrypterKeyPEM, p.DecrypterKeyURI, p.DecrypterKeyPassword = nil, "", ""
		p.ChallengePassword = unreadableChallenge()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed = true
	return nil
}

// unreadableChallenge is random, and made of bytes that no text in UTF-8 begins with:
// encoding/json writes the same sign for each, and protobuf refuses them.
func unreadableChallenge() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = 0x80 | b[i]&0x3f
	}
	return string(b)
}
