package provisioner

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/db"
	"github.com/smallstep/certificates/errs"
	"github.com/smallstep/nosql"
)

// closeCounter is a database that notes its end.
type closeCounter struct {
	nosql.DB
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return c.DB.Close() }

func openDatabase(t testing.TB, typ string) *db.DB {
	t.Helper()
	d, err := db.New(&db.Config{Type: typ, DataSource: filepath.Join(t.TempDir(), "db")})
	if err != nil {
		t.Fatal(err)
	}
	database, ok := d.(*db.DB)
	if !ok {
		t.Fatalf("the database is a %T", d)
	}
	return database
}

func TestStepCAClosesTheDatabaseThroughItsExportedField(t *testing.T) {
	database := openDatabase(t, "bbolt")
	counter := &closeCounter{DB: database.DB}
	database.DB = counter
	if err := database.Shutdown(); err != nil || counter.closed != 1 {
		t.Errorf("closed %d times, %v", counter.closed, err)
	}
}

func TestStepCAClosesTheDatabaseWhenItShutsDownAndNotForAReload(t *testing.T) {
	a := mustAuthority(t, writeCA(t, withDatabase(t)))
	counter := &closeCounter{DB: a.GetDatabase().(*db.DB).DB}
	a.GetDatabase().(*db.DB).DB = counter
	if a.CloseForReload(); counter.closed != 0 {
		t.Error("a reload closes it")
	}
	if err := a.Shutdown(); err != nil || counter.closed != 1 {
		t.Errorf("closed %d times, %v", counter.closed, err)
	}
}

func TestStepCAFindsTheCompactorOfABadgerDatabase(t *testing.T) {
	for typ, compacts := range map[string]bool{"badgerv2": true, "bbolt": false} {
		database := openDatabase(t, typ)
		defer database.Shutdown()
		if _, ok := database.DB.(nosql.Compactor); ok != compacts {
			t.Errorf("%s compacts: %t", typ, ok)
		}
		mustWrap(t, database, discard)
		if _, ok := database.DB.(nosql.Compactor); ok != compacts {
			t.Errorf("%s, wrapped, compacts: %t", typ, ok)
		}
	}
}

func TestStepCARevokesByCertificate(t *testing.T) {
	a := mustAuthority(t, writeCA(t, withDatabase(t), scepEntry("scep")))
	cert := issueFor(t, a)
	i := &instance{authority: a, state: &state{lasting: true}}
	if err := i.revoke(cert); err != nil {
		t.Fatal(err)
	}
	if revoked, err := a.IsRevoked(cert.SerialNumber.String()); err != nil || !revoked {
		t.Errorf("revoked %t, %v", revoked, err)
	}
	if err := i.revoke(cert); err != nil {
		t.Errorf("revoking again: %v", err)
	}
}

func TestStepCAImplementsNoRevocationWithoutADatabase(t *testing.T) {
	a := mustAuthority(t, writeCA(t, nil, scepEntry("scep")))
	cert := issueFor(t, a)
	err := (&instance{authority: a, state: &state{lasting: true}}).revoke(cert)
	var status *errs.Error
	if !errors.As(err, &status) || status.StatusCode() != http.StatusNotImplemented {
		t.Errorf("got %v", err)
	}
	if revoked, err := a.IsRevoked(cert.SerialNumber.String()); err != nil || revoked {
		t.Errorf("revoked %t, %v", revoked, err)
	}
	if _, isDB := a.GetDatabase().(*db.DB); isDB {
		t.Error("without a database there is one")
	}
}

func TestStepCAKeepsTheDatabaseOverAReload(t *testing.T) {
	old := mustAuthority(t, writeCA(t, withDatabase(t)))
	var seen db.AuthDB
	plantInto(t, func(a *authority.Authority) { seen = a.GetDatabase() })
	conf := old.GetConfig()
	if _, err := authority.New(conf, authority.WithDatabase(old.GetDatabase()), authority.WithQuietInit()); err != nil || seen != old.GetDatabase() {
		t.Errorf("the constructor sees %T, %v", seen, err)
	}
}
