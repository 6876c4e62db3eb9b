package provisioner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smallstep/certificates/authority/admin"
	admindb "github.com/smallstep/certificates/authority/admin/db/nosql"
	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"
	"github.com/smallstep/nosql/database"
)

// database looks at db in ca.json. It changes nothing there: badger and bbolt belong to the
// CA that runs.
func (x *examination) database(ctx context.Context) {
	x.area = "database"
	db := x.conf.DB
	if db == nil {
		x.warn("Add db to ca.json.", "ca.json has no db: reports to Intune are kept in memory only and lost when the process ends, and no certificate can be revoked")
		return
	}
	kind := strings.ToLower(db.Type)
	if !isServer(kind) {
		if !slices.Contains([]string{"badger", "badgerv1", "badgerv2", "bbolt"}, kind) {
			x.problem("Set db.type in ca.json to badgerv2, bbolt, mysql or postgresql.", "step-ca knows no database of type %q", db.Type)
			return
		}
		if _, err := os.Stat(filepath.Dir(db.DataSource)); err != nil {
			x.problem("Make the folder, with the user that runs step-ca as its owner.", "the folder of db.dataSource cannot be found: %v", err)
			return
		}
		if _, err := os.Stat(db.DataSource); errors.Is(err, os.ErrNotExist) {
			x.ok("%s is made at the first start", kind)
			return
		}
	}
	rows, err := readTable(ctx, db, tableKnown)
	switch {
	case errors.Is(err, errInUse):
		x.warn("Nothing while the CA runs; to see whether ca.json has lost an Intune provisioner, read its log, or check while it is stopped.",
			"%s is in use, so it was not looked into", kind)
	case errors.Is(err, errNoReader):
		x.warn("Nothing; the next start says whether ca.json has lost an Intune provisioner.", "%s was not looked into: %v", kind, err)
	case err != nil:
		x.problem("Check db in ca.json, and that the user that runs step-ca may use the database.", "%s cannot be read: %v", kind, err)
	case x.known(ctx, rows):
		x.ok("%s can be read, and ca.json has every Intune provisioner that the CA has served", kind)
	}
}

// known compares ca.json with the Intune provisioners that the CA has served. It reports
// whether there is nothing to say.
func (x *examination) known(ctx context.Context, rows map[string][]byte) bool {
	k := known{}
	for name, row := range rows {
		k.add(name, row)
	}
	missing := k.missing(x.intune)
	for _, name := range missing {
		x.problem("Take the entry from a backup or from version control: an offline change such as step ca provisioner add drops it. If it was removed on purpose: step-ca-intune retire "+name+" "+x.File,
			"the Intune provisioner %q, which the CA has served, is missing from ca.json", name)
	}
	if x.isRemote() {
		stored, err := x.stored(ctx)
		if err != nil {
			x.problem("Check db in ca.json, and that the user that runs step-ca may use the database.", "%v", err)
			return false
		}
		if len(stored) > 0 {
			x.neighbours = stored
		}
	}
	return x.mistakes(k.noneTaken(x.intune, x.neighbours)) && len(missing) == 0
}

// isRemote reports whether remote management keeps the provisioners in the database.
func (x *examination) isRemote() bool {
	c := x.conf.AuthorityConfig
	return x.conf.DB != nil && c.EnableAdmin && !isLinked(c)
}

// stored are the provisioners in the database, none before a start has copied them there.
func (x *examination) stored(ctx context.Context) ([]neighbour, error) {
	remote, err := admindb.New(unchanged{ctx: ctx, config: x.conf.DB}, admin.DefaultAuthorityID)
	if err != nil {
		return nil, err
	}
	return storedIn(remote)
}

// beside looks at what stands beside the Intune provisioners: the others, from where a start
// takes them, and the policy.
func (x *examination) beside() {
	x.area = "CA"
	for _, name := range x5cTrusting(x.neighbours, append(x.roots, x.chain...)) {
		x.warn("Remove this CA's certificates from the roots of that provisioner, unless every device shall get other certificates through it.",
			"the X5C provisioner %q trusts this CA: every device with a certificate of an Intune provisioner can get others through it", name)
	}
	if x.isRemote() && len(x.intune) > 0 && x.conf.AuthorityConfig.Policy.GetX509Options() != nil {
		x.warn("Set it with step ca policy authority, and remove it from ca.json.",
			"authority.policy of ca.json is not applied: with authority.enableAdmin step-ca takes the policy of its database")
	}
}

// unchanged is a CA's database that is only read, for step-ca's admin database.
type unchanged struct {
	nosql.DB // nil: nothing else is asked of it
	ctx      context.Context
	config   *db.Config
}

// CreateTable implements [nosql.DB]. A table that is missing has no rows.
func (unchanged) CreateTable([]byte) error { return nil }

// List implements [nosql.DB].
func (u unchanged) List(table []byte) (all []*database.Entry, err error) {
	rows, err := readTable(u.ctx, u.config, string(table))
	for key, value := range rows {
		all = append(all, &database.Entry{Bucket: table, Key: []byte(key), Value: value})
	}
	return all, err
}

// isServer reports whether a database of this type is a server, whose address holds a
// password.
func isServer(kind string) bool {
	return strings.EqualFold(kind, "mysql") || strings.EqualFold(kind, "postgresql")
}
