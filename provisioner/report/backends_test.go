package report

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/postgres"
)

// server is the PostgreSQL server of all tests that need one.
var server = sync.OnceValues(func() (*postgres.Server, error) {
	s, err := postgres.Start(context.Background())
	running = s
	return s, err
})

var running *postgres.Server

var databases = struct {
	sync.Mutex
	count int
}{}

func TestMain(m *testing.M) {
	m.Run()
	if running != nil {
		running.Stop()
	}
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
		{name: nosql.PostgreSQLDriver, open: openPostgres},
	}
}

func openPostgres(t *testing.T) func() Database {
	s, err := server()
	if errors.Is(err, postgres.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	databases.Lock()
	databases.count++
	name := fmt.Sprintf("test%d", databases.count)
	databases.Unlock()
	return func() Database { return openNoSQL(t, nosql.PostgreSQLDriver, s.DSN, nosql.WithDatabase(name)) }
}

func openNoSQL(t testing.TB, driver, source string, options ...nosql.Option) Database {
	t.Helper()
	db, err := nosql.New(driver, source, options...)
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
