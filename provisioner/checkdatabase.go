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
	neighbours, err := x.neighbours(ctx)
	if err != nil {
		x.problem("Check db in ca.json, and that the user that runs step-ca may use the database.", "%v", err)
		return false
	}
	return x.mistakes(k.noneTaken(x.intune, neighbours)) && len(missing) == 0
}

// neighbours are the provisioners that are not ours, from where a start takes them: with
// remote management from the database, once they have been copied there.
func (x *examination) neighbours(ctx context.Context) (all []neighbour, err error) {
	if c := x.conf.AuthorityConfig; c.EnableAdmin && !isLinked(c) {
		remote, err := admindb.New(unchanged{ctx: ctx, config: x.conf.DB}, admin.DefaultAuthorityID)
		if err == nil {
			all, err = storedIn(remote)
		}
		if err != nil || len(all) > 0 {
			return all, err
		}
	}
	for _, p := range x.conf.AuthorityConfig.Provisioners {
		name := p.GetName()
		if !slices.ContainsFunc(x.intune, func(e rawEntry) bool { return e.name == name }) { // uniqueNames has said so
			all = append(all, neighbour{name: name})
		}
	}
	return all, nil
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
