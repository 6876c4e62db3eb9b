package provisioner

import (
	"path/filepath"
	"regexp"
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
			storeRemote(t, c, &linkedca.Provisioner{Type: linkedca.Provisioner_SCEP, Name: name})
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

// storeRemote puts a provisioner into the database of a CA that is stopped.
func storeRemote(t *testing.T, c *db.Config, p *linkedca.Provisioner) {
	t.Helper()
	d, err := db.New(c)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := admindb.New(d.(*db.DB), admin.DefaultAuthorityID)
	if err != nil {
		t.Fatal(err)
	}
	if err := stored.CreateProvisioner(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := d.Shutdown(); err != nil {
		t.Fatal(err)
	}
}

// Once they have been copied into the database, those of ca.json count no more.
func TestCheckFindsAnX5CProvisionerWhereStepCATakesItFrom(t *testing.T) {
	x5c := func(name string, root *issuer) *linkedca.Provisioner {
		return &linkedca.Provisioner{Type: linkedca.Provisioner_X5C, Name: name, Details: &linkedca.ProvisionerDetails{
			Data: &linkedca.ProvisionerDetails_X5C{X5C: &linkedca.X5CProvisioner{Roots: [][]byte{certificatePEM(root.certificate)}}},
		}}
	}
	inFile := object{"type": "X5C", "name": "written", "roots": certificatePEM(testRoot().certificate)}
	for name, test := range map[string]struct {
		remote bool
		stored []*linkedca.Provisioner
		want   []string
	}{
		"without remote management from ca.json":  {stored: []*linkedca.Provisioner{x5c("stored", testRoot())}, want: []string{"written"}},
		"before the first start from ca.json":     {remote: true, want: []string{"written"}},
		"then from the database":                  {remote: true, stored: []*linkedca.Provisioner{x5c("stored", testRoot())}, want: []string{"stored"}},
		"the issuing CA is one of its roots, too": {remote: true, stored: []*linkedca.Provisioner{x5c("stored", testIssuer())}, want: []string{"stored"}},
		"another CA is none":                      {remote: true, stored: []*linkedca.Provisioner{x5c("stored", testECIssuer())}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &db.Config{Type: "badgerv2", DataSource: filepath.Join(t.TempDir(), "db")}
			edit := both(set(object{"type": c.Type, "dataSource": c.DataSource}, "db"), set(test.remote, "authority", "enableAdmin"))
			for _, p := range test.stored {
				storeRemote(t, c, p)
			}
			var got []string
			for _, f := range examine(t, writeCA(t, edit, intuneEntry(t, "intune"), inFile)) {
				if m := trustingX5C.FindStringSubmatch(f.What); m != nil && f.State == StateWarning && f.Area == "CA" {
					got = append(got, m[1])
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

var trustingX5C = regexp.MustCompile(`^the X5C provisioner "(.*)" trusts this CA`)

func TestCheckSaysThatAPolicyInTheFileIsNotApplied(t *testing.T) {
	policy := set(object{"x509": object{"deny": object{"dns": []string{"denied.example"}}}}, "authority", "policy")
	remote := set(true, "authority", "enableAdmin")
	for name, test := range map[string]struct {
		edit func(object)
		want bool
	}{
		"with remote management":       {both(withDatabase(t), policy, remote), true},
		"with remote management alone": {both(withDatabase(t), remote), false},
		"with a policy alone":          {both(withDatabase(t), policy), false},
		"without a database":           {both(policy, remote), false},
	} {
		t.Run(name, func(t *testing.T) {
			findings := examine(t, writeCA(t, test.edit, intuneEntry(t, "intune")))
			if got := slices.ContainsFunc(findings, func(f Finding) bool {
				return f.State == StateWarning && f.Area == "CA" && strings.HasPrefix(f.What, "authority.policy of ca.json is not applied")
			}); got != test.want {
				t.Errorf("warned %v: %+v", got, findings)
			}
		})
	}
}
