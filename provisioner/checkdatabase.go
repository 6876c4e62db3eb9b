package provisioner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// database looks at db in ca.json. It opens nothing: badger and bbolt belong to the CA that
// runs.
func (x *examination) database() {
	x.area = "database"
	db := x.conf.DB
	if db == nil {
		x.warn("Add db to ca.json.", "ca.json has no db: reports to Intune are kept in memory only and lost when the process ends, and no certificate can be revoked")
		return
	}
	kind := strings.ToLower(db.Type)
	switch {
	case isServer(kind):
		x.ok("%s", kind)
	case !slices.Contains([]string{"badger", "badgerv1", "badgerv2", "bbolt"}, kind):
		x.problem("Set db.type in ca.json to badgerv2, bbolt, mysql or postgresql.", "step-ca knows no database of type %q", db.Type)
	default:
		x.databaseFile(kind, db.DataSource)
	}
}

func (x *examination) databaseFile(kind, path string) {
	if _, err := os.Stat(path); err == nil {
		x.ok("%s is there", kind)
		return
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		x.problem("Make the folder, with the user that runs step-ca as its owner.", "the folder of db.dataSource cannot be found: %v", err)
		return
	}
	x.ok("%s is made at the first start", kind)
}

// isServer reports whether a database of this type is a server, whose address holds a
// password.
func isServer(kind string) bool {
	return strings.EqualFold(kind, "mysql") || strings.EqualFold(kind, "postgresql")
}
