package provisioner

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/admin"
	admindb "github.com/smallstep/certificates/authority/admin/db/nosql"
	"github.com/smallstep/certificates/authority/policy"
	"github.com/smallstep/linkedca"
)

// remoteDB is step-ca's admin database, in which remote management (authority.enableAdmin)
// keeps the provisioners, with the Intune entries of ca.json added to what is read. None of
// them is ever written to it: stock step-ca on the same database knows nothing of them, and
// an administrator has nothing to strip of its webhooks.
//
// step-ca calls most methods with its lock on provisioners held. When a method that
// changes something fails, it reads all provisioners again, still with the lock, and then
// asks for that lock once more: with a SCEP provisioner the whole CA stands still from then
// on. GetProvisioners fails once the CA has started, which ends that before it happens.
type remoteDB struct {
	*admindb.DB
	authority *authority.Authority
	past      map[string]bool // names of Intune entries that ca.json has lost
	log       *slog.Logger

	// Set before the CA starts.
	ours      []*linkedca.Provisioner
	cas       []*x509.Certificate
	newPolicy func(*policy.X509PolicyOptions) error

	mu      sync.Mutex
	sealed  bool  // the CA has started
	refusal error // why a change failed
}

var _ admin.DB = (*remoteDB)(nil)

// GetProvisioners implements [admin.DB]. step-ca calls it at the start: while there is no
// provisioner, ours must not hide that those of ca.json have to be copied first.
func (d *remoteDB) GetProvisioners(ctx context.Context) ([]*linkedca.Provisioner, error) {
	d.mu.Lock()
	sealed, refusal := d.sealed, d.refusal
	d.refusal = nil
	d.mu.Unlock()
	if sealed {
		if refusal == nil {
			refusal = errors.New("what the CA serves and what is stored may differ until it reloads: send it SIGHUP")
		}
		d.log.Error("a change by remote management failed", "err", refusal)
		return nil, refusal
	}
	stored, err := d.DB.GetProvisioners(ctx)
	if err != nil || len(stored) == 0 {
		return stored, err
	}
	return append(stored, d.ours...), nil
}

// GetProvisioner implements [admin.DB]. What shows or changes a provisioner asks for it
// first.
func (d *remoteDB) GetProvisioner(ctx context.Context, id string) (*linkedca.Provisioner, error) {
	if p := d.find(id); p != nil {
		return nil, admin.NewError(admin.ErrorBadRequestType, "provisioner %q is an Intune entry of ca.json: it can be seen and changed there only", p.Name)
	}
	// step-ca asks for the type of its admin database, and so takes this one for one that
	// can store policies of provisioners: they would be gone after a restart.
	if route := chi.RouteContext(ctx); route != nil && strings.Contains(route.RoutePattern(), "/policy") {
		return nil, admin.NewError(admin.ErrorNotImplementedType, "operation not supported in standalone mode")
	}
	return d.DB.GetProvisioner(ctx, id)
}

// CreateProvisioner implements [admin.DB].
func (d *remoteDB) CreateProvisioner(ctx context.Context, p *linkedca.Provisioner) error {
	if err := d.mayBeNamed(p); err != nil {
		return err
	}
	if err := d.DB.CreateProvisioner(ctx, p); err != nil {
		return err
	}
	d.warnOfX5C(p)
	return nil
}

// UpdateProvisioner implements [admin.DB]. step-ca has changed what it serves already.
func (d *remoteDB) UpdateProvisioner(ctx context.Context, p *linkedca.Provisioner) error {
	if ctx.Value(puttingBack{}) != nil {
		return nil // it is what is stored
	}
	err := d.mayBeNamed(p)
	if err == nil {
		err = d.DB.UpdateProvisioner(ctx, p)
	}
	if err != nil {
		go d.putBack(p.Id)
		return d.refuse(err)
	}
	d.warnOfX5C(p)
	return nil
}

// puttingBack marks the context of putBack.
type puttingBack struct{}

// putBack makes step-ca serve a provisioner as it is stored, after a change that failed.
// It waits for step-ca's lock.
func (d *remoteDB) putBack(id string) {
	ctx := context.WithValue(context.Background(), puttingBack{}, true)
	stored, err := d.DB.GetProvisioner(ctx, id)
	if err == nil {
		err = d.authority.UpdateProvisioner(ctx, stored)
	}
	if err != nil {
		d.log.Error("a provisioner could not be changed, and not be put back: send step-ca SIGHUP", "id", id, "err", err)
	}
}

// DeleteProvisioner implements [admin.DB].
func (d *remoteDB) DeleteProvisioner(ctx context.Context, id string) error {
	if d.find(id) != nil {
		return nil // there is nothing to delete
	}
	return d.refuse(d.DB.DeleteProvisioner(ctx, id))
}

// CreateAdmin implements [admin.DB]. An administrator proves to be one with a certificate
// of the provisioner that he belongs to: of ours, every device would have one.
func (d *remoteDB) CreateAdmin(ctx context.Context, a *linkedca.Admin) error {
	p := d.find(a.ProvisionerId)
	if p == nil {
		var err error
		if p, err = d.DB.GetProvisioner(ctx, a.ProvisionerId); err != nil {
			return err
		}
		if !d.past[p.Name] {
			return d.DB.CreateAdmin(ctx, a)
		}
	}
	return admin.NewError(admin.ErrorBadRequestType, "provisioner %q is one of Intune: its devices cannot be administrators", p.Name)
}

// UpdateAdmin implements [admin.DB].
func (d *remoteDB) UpdateAdmin(ctx context.Context, a *linkedca.Admin) error {
	return d.refuse(d.DB.UpdateAdmin(ctx, a))
}

// DeleteAdmin implements [admin.DB].
func (d *remoteDB) DeleteAdmin(ctx context.Context, id string) error {
	return d.refuse(d.DB.DeleteAdmin(ctx, id))
}

// GetAuthorityPolicy implements [admin.DB]. step-ca calls it at the start and after each
// change of the policy, and the plugin's own part of the check follows.
func (d *remoteDB) GetAuthorityPolicy(ctx context.Context) (*linkedca.Policy, error) {
	p, err := d.DB.GetAuthorityPolicy(ctx)
	var e *admin.Error
	if err != nil && !(errors.As(err, &e) && e.IsType(admin.ErrorNotFoundType)) {
		return p, err
	}
	if d.newPolicy != nil {
		if err := d.newPolicy(policy.LinkedToCertificates(p).GetX509Options()); err != nil {
			return nil, err
		}
	}
	return p, err
}

// find returns our provisioner with an id, which is nil for all others.
func (d *remoteDB) find(id string) *linkedca.Provisioner {
	for _, p := range d.ours {
		if id == servedID(p.Name) || id == "scep/"+p.Name {
			return p
		}
	}
	return nil
}

// mayBeNamed refuses a provisioner that takes a name of ours.
func (d *remoteDB) mayBeNamed(p *linkedca.Provisioner) error {
	taken := d.past[p.Name]
	for _, o := range d.ours {
		taken = taken || o.Name == p.Name
	}
	if taken {
		return admin.WrapError(admin.ErrorBadRequestType, errTaken, "provisioner %q: name", p.Name)
	}
	return nil
}

// refuse keeps the reason of a failure for the answer to the administrator: step-ca
// reports what [remoteDB.GetProvisioners] says.
func (d *remoteDB) refuse(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refusal = err
	return err
}

// warnOfX5C warns of an X5C provisioner that an administrator makes trust this CA.
func (d *remoteDB) warnOfX5C(p *linkedca.Provisioner) {
	x5c := p.GetDetails().GetX5C()
	if x5c != nil && len(d.ours) > 0 && trusts(joinPEM(x5c.GetRoots()), d.cas) {
		warnOfX5C(p.Name, d.log)
	}
}

func joinPEM(blocks [][]byte) (all []byte) {
	for _, b := range blocks {
		all = fmt.Appendf(all, "%s\n", b)
	}
	return all
}
