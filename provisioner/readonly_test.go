package provisioner

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
	"github.com/step-ca-intune/step-ca-intune/test/mariadb"
	"github.com/step-ca-intune/step-ca-intune/test/postgres"
)

func TestATableIsReadWithoutAChangeToItsDatabase(t *testing.T) {
	for _, kind := range []string{"badgerv2", "bbolt"} {
		t.Run(kind, func(t *testing.T) {
			c := &db.Config{Type: kind, DataSource: filepath.Join(t.TempDir(), "db")}
			if rows, err := readTable(t.Context(), c, tableKnown); err != nil || len(rows) != 0 {
				t.Errorf("before the first start: %q, %v", rows, err)
			}
			if _, err := os.Stat(c.DataSource); err == nil {
				t.Error("it was made")
			}
			fill(t, c, "intune", "intune two", "x")
			before := times(t, c.DataSource)
			rows, err := readTable(t.Context(), c, tableKnown)
			if err != nil || len(rows) != 3 || string(rows["intune two"]) != `{"since":"2026-01-02T03:04:05Z"}` {
				t.Errorf("got %q, %v", rows, err)
			}
			if rows, err := readTable(t.Context(), c, "intune_provisioner"); err != nil || len(rows) != 0 {
				t.Errorf("a table that is not there: %q, %v", rows, err)
			}
			if after := times(t, c.DataSource); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

func TestADatabaseInUseIsNotRead(t *testing.T) {
	for _, kind := range []string{"badgerv2", "bbolt"} {
		c := &db.Config{Type: kind, DataSource: filepath.Join(t.TempDir(), "db")}
		d, err := db.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readTable(t.Context(), c, tableKnown); !errors.Is(err, errInUse) {
			t.Errorf("%s: %v", kind, err)
		}
		if err := d.Shutdown(); err != nil {
			t.Error(err)
		}
	}
	if _, err := readTable(t.Context(), &db.Config{Type: "badger"}, tableKnown); !errors.Is(err, errNoReader) {
		t.Errorf("badger 1: %v", err)
	}
}

func TestTheDatabaseOfAServerIsTheOneThatTheConfigurationNames(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{mysqlSource("ca:a/b@tcp(db:3306)/", "ca"), "ca:a/b@tcp(db:3306)/ca?"},
		{mysqlSource("ca:x@tcp(db)/old?tls=true", "ca"), "ca:x@tcp(db)/ca?tls=true"},
		{mysqlSource("ca:x@tcp(db)/old?tls=true", ""), "ca:x@tcp(db)/old?tls=true"},
		{postgresSource("postgresql://ca:x@db:5432/old?sslmode=disable", "ca"), "postgresql://ca:x@db:5432/ca?sslmode=disable"},
		{postgresSource("host=db user=ca", `o'ca`), `host=db user=ca dbname='o\'ca'`},
		{postgresSource("host=db dbname=old", ""), "host=db dbname=old"},
	} {
		if test.got != test.want {
			t.Errorf("got %q instead of %q", test.got, test.want)
		}
	}
}

// fill notes Intune provisioners as a CA does.
func fill(t *testing.T, c *db.Config, names ...string) {
	t.Helper()
	authDB, err := db.New(c)
	if err != nil {
		t.Fatal(err)
	}
	database := authDB.(*db.DB)
	defer database.Close()
	if _, err := readKnown(database); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := database.Set([]byte(tableKnown), []byte(name), []byte(`{"since":"2026-01-02T03:04:05Z"}`)); err != nil {
			t.Fatal(err)
		}
	}
}

// times lists what is at a path, with the times of the last change.
func times(t *testing.T, path string) (all string) {
	t.Helper()
	err := filepath.WalkDir(path, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all += path + " " + info.ModTime().String() + "\n"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestATableOnAServerIsReadWithoutMakingAnything(t *testing.T) {
	onServers(t, func(t *testing.T, server *dbserver.Server) {
		c := &db.Config{Type: server.Driver, DataSource: server.Source(server.Address, "other"), Database: "ca"}
		if rows, err := readTable(t.Context(), c, tableKnown); err != nil || len(rows) != 0 {
			t.Errorf("before the first start: %q, %v", rows, err)
		}
		if !isMissing(t, server, "ca") {
			t.Error("the database was made")
		}
		fill(t, c, "intune", "intune two")
		if rows, err := readTable(t.Context(), c, tableKnown); err != nil || len(rows) != 2 || string(rows["intune"]) != `{"since":"2026-01-02T03:04:05Z"}` {
			t.Errorf("got %q, %v", rows, err)
		}
		if rows, err := readTable(t.Context(), c, "intune_provisioner"); err != nil || len(rows) != 0 {
			t.Errorf("a table that is not there: %q, %v", rows, err)
		}
		if isMissing(t, server, "ca") {
			t.Error("the database is not where step-ca makes it")
		}
	})
}

// onServers runs a test on a new server of each kind.
func onServers(t *testing.T, test func(t *testing.T, server *dbserver.Server)) {
	for name, server := range map[string]*dbserver.Shared{
		"PostgreSQL": {Start: postgres.Start}, "MariaDB": {Start: mariadb.Start},
	} {
		t.Run(name, func(t *testing.T) {
			defer server.Stop()
			test(t, server.Server(t))
		})
	}
}

// isMissing reports whether a server has no database of a name.
func isMissing(t *testing.T, s *dbserver.Server, name string) bool {
	t.Helper()
	driver, always, query := "pgx", "postgres", "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"
	if s.Driver == nosql.MySQLDriver {
		driver, always, query = "mysql", "", "SELECT count(*) FROM information_schema.schemata WHERE schema_name = '"+name+"'"
	}
	d, err := sql.Open(driver, s.Source(s.Address, always))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var n int
	if err := d.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n == 0
}
