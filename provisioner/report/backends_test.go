package report

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
	"github.com/step-ca-intune/step-ca-intune/test/mariadb"
	"github.com/step-ca-intune/step-ca-intune/test/postgres"
)

// The servers start with the first test that needs them.
var (
	postgreSQL = &dbserver.Shared{Start: postgres.Start}
	mariaDB    = &dbserver.Shared{Start: mariadb.Start}
	databases  atomic.Int32
)

func TestMain(m *testing.M) {
	m.Run()
	postgreSQL.Stop()
	mariaDB.Stop()
}

// backend opens an empty database, twice if need be: the second one is what another
// replica sees.
type backend struct {
	name string
	open func(t *testing.T) func() Database
}

func backends() []backend {
	file := func(driver, name string) backend {
		return backend{name: driver, open: func(t *testing.T) func() Database {
			db := openNoSQL(t, driver, filepath.Join(t.TempDir(), name))
			return func() Database { return db }
		}}
	}
	return []backend{
		{name: "memory", open: func(*testing.T) func() Database {
			db := Memory()
			return func() Database { return db }
		}},
		file(nosql.BadgerV1Driver, "db"),
		file(nosql.BadgerV2Driver, "db"),
		file(nosql.BBoltDriver, "db"),
		served(nosql.PostgreSQLDriver, postgreSQL),
		served(nosql.MySQLDriver, mariaDB),
	}
}

func served(driver string, server *dbserver.Shared) backend {
	return backend{name: driver, open: func(t *testing.T) func() Database {
		s := server.Server(t)
		source := s.Source(s.Address, fmt.Sprintf("test%d", databases.Add(1)))
		return func() Database { return openNoSQL(t, driver, source) }
	}}
}

func openNoSQL(t testing.TB, driver, source string) Database {
	t.Helper()
	db, err := nosql.New(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// onEach runs a test on every database.
func onEach(t *testing.T, test func(t *testing.T, open func() Database)) {
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			test(t, b.open(t))
		})
	}
}

func openStore(t *testing.T, db Database) *Store {
	t.Helper()
	s, err := Open(context.Background(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
