package provisioner

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smallstep/certificates/authority/admin"
	admindb "github.com/smallstep/certificates/authority/admin/db/nosql"
	"github.com/smallstep/certificates/db"
	"github.com/smallstep/linkedca"
)

// With remote management a start takes the names of the neighbours from the database.
func TestCheckFindsANameThatTheDatabaseOfRemoteManagementHolds(t *testing.T) {
	for _, kind := range []string{"badgerv2", "bbolt"} {
		c := &db.Config{Type: kind, DataSource: filepath.Join(t.TempDir(), "db")}
		withRemote := both(set(object{"type": kind, "dataSource": c.DataSource}, "db"), set(true, "authority", "enableAdmin"))
		file := writeCA(t, withRemote, intuneEntry(t, "intune"))
		held := func() bool {
			return slices.ContainsFunc(examine(t, file), func(f Finding) bool {
				return f.State == StateProblem && f.Area == `provisioner "intune"` &&
					strings.Contains(f.What, "the database already holds") && strings.Contains(f.Advice, "step ca provisioner remove")
			})
		}
		store := func(name string) {
			t.Helper()
			d, err := db.New(c)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := admindb.New(d.(*db.DB), admin.DefaultAuthorityID)
			if err != nil {
				t.Fatal(err)
			}
			if err := stored.CreateProvisioner(t.Context(), &linkedca.Provisioner{Type: linkedca.Provisioner_SCEP, Name: name}); err != nil {
				t.Fatal(err)
			}
			if err := d.Shutdown(); err != nil {
				t.Fatal(err)
			}
		}
		if held() {
			t.Errorf("%s: found before the first start", kind)
		}
		store("other")
		if held() {
			t.Errorf("%s: another name is found", kind)
		}
		store("intune")
		if !held() {
			t.Errorf("%s: not found", kind)
		}
	}
}
