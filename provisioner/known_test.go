package provisioner

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
)

func fromJSON(t *testing.T, file string, v any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes the provisioners in a ca.json, as an offline change does.
func rewrite(t *testing.T, file string, provisioners ...object) {
	t.Helper()
	var conf object
	fromJSON(t, file, &conf)
	conf["authority"].(object)["provisioners"] = provisioners
	writeFile(t, file, toJSON(t, conf))
}

// runOnce starts and stops a CA and returns what it logged, or why it did not start.
func runOnce(t *testing.T, file string) (*syncBuffer, error) {
	t.Helper()
	r, err := constructPlugin(t, newPlugin(), file, newFakeClient())
	if err != nil {
		return nil, err
	}
	defer r.authority.Shutdown() //nolint:errcheck // the database is closed
	_, err = r.authority.GetTLSCertificate()
	return r.log, err
}

func mustRun(t *testing.T, file string) *syncBuffer {
	t.Helper()
	log, err := runOnce(t, file)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// missingEntries returns the names of the Intune provisioners that the CA of a ca.json has
// served and that the file has lost, but for those that were retired.
func missingEntries(file string) ([]string, error) {
	conf, err := config.LoadConfiguration(file)
	if err != nil {
		return nil, err
	}
	entries, err := readEntries(file)
	if err != nil {
		return nil, err
	}
	rows, err := readTable(context.Background(), conf.DB, tableKnown)
	k := known{}
	for name, row := range rows {
		k.add(name, row)
	}
	return k.missing(intuneOnly(entries)), err
}

const lost = "an Intune provisioner is missing from ca.json"

func TestAnEntryThatTheFileHasLostIsNoticedUntilItIsRetired(t *testing.T) {
	entry := intuneEntry(t, "intune")
	file := writeCA(t, withDatabase(t), entry, intuneEntry(t, "second"), scepEntry("scep"))
	missing := func() []string {
		t.Helper()
		names, err := missingEntries(file)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if names := missing(); len(names) != 0 {
		t.Errorf("before the first start %q are missing", names)
	}
	if log := mustRun(t, file); len(log.lines(lost)) > 0 || len(missing()) != 0 {
		t.Errorf("nothing is missing: %q", log.lines(lost))
	}
	rewrite(t, file, scepEntry("scep"))
	if names := missing(); !slices.Equal(names, []string{"intune", "second"}) {
		t.Errorf("missing are %q", names)
	}
	for range 2 {
		lines := mustRun(t, file).lines(lost)
		if len(lines) != 2 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], "provisioner=intune ") || !strings.Contains(lines[0], "retire intune "+file) {
			t.Errorf("logged %q", lines)
		}
	}
	if err := Retire(file, "second"); err != nil {
		t.Fatal(err)
	}
	if lines := mustRun(t, file).lines(lost); len(lines) != 1 || !strings.Contains(lines[0], "provisioner=intune ") {
		t.Errorf("logged %q", lines)
	}
	rewrite(t, file, entry, intuneEntry(t, "second"))
	mustRun(t, file)
	rewrite(t, file, entry, scepEntry("scep"))
	if names := missing(); !slices.Equal(names, []string{"second"}) {
		t.Errorf("after it was back, missing are %q", names)
	}
}

func TestOnlyWhatIsMissingCanBeRetired(t *testing.T) {
	file := writeCA(t, withDatabase(t), intuneEntry(t, "intune"))
	mustRun(t, file)
	for name, want := range map[string]string{"intune": "remove it there first", "other": "has never served"} {
		if err := Retire(file, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Retire(writeCA(t, nil, scepEntry("scep")), "intune"); err == nil {
		t.Error("without a database")
	}
}

func TestADatabaseThatIsInUseIsLeftAlone(t *testing.T) {
	file := writeCA(t, withDatabase(t), intuneEntry(t, "intune"))
	startPlugin(t, file, newFakeClient())
	if _, err := missingEntries(file); !errors.Is(err, errInUse) {
		t.Errorf("got %v", err)
	}
	if err := Retire(file, "intune"); err == nil || !strings.Contains(err.Error(), "remove it there first") && !strings.Contains(err.Error(), "while the CA is stopped") {
		t.Errorf("Retire: %v", err)
	}
}

func TestADatabaseOfAnotherUserIsNotOpened(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	file := writeCA(t, withDatabase(t), intuneEntry(t, "intune"))
	mustRun(t, file)
	var conf struct{ DB struct{ DataSource string } }
	fromJSON(t, file, &conf)
	if err := os.Chown(conf.DB.DataSource, 4711, -1); err != nil {
		t.Fatal(err)
	}
	if err := Retire(file, "intune"); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("got %v", err)
	}
}

// Devices hold certificates that name the provisioner: who has the name renews them.
func TestTheNameOfAnIntuneEntryStaysTaken(t *testing.T) {
	for name, retired := range map[string]bool{"missing": false, "retired": true} {
		t.Run(name, func(t *testing.T) {
			file := writeCA(t, withDatabase(t), intuneEntry(t, "intune"), scepEntry("scep"))
			mustRun(t, file)
			rewrite(t, file, scepEntry("scep"))
			if retired {
				if err := Retire(file, "intune"); err != nil {
					t.Fatal(err)
				}
			}
			mustRun(t, file)
			rewrite(t, file, scepEntry("scep"), scepEntry("intune"))
			_, err := runOnce(t, file)
			wantOneLine(t, err, `provisioner "intune": name: an Intune provisioner of this CA had this name`)
		})
	}
}

func TestCertificatesOfAnEntryThatIsGoneAreNotRenewed(t *testing.T) {
	i := newTestInstance()
	i.names.past = map[string]bool{"gone": true}
	s := &service{inner: mustSoftCAS(t).(softCAS), instance: i}
	cert := leafOf(t, provisioner.TypeSCEP, "gone")
	if _, err := s.RenewCertificate(&apiv1.RenewCertificateRequest{Template: cert}); err == nil || !strings.Contains(err.Error(), errRenewal.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestANoteThatCannotBeReadIsANoteAllTheSame(t *testing.T) {
	file := writeCA(t, withDatabase(t), intuneEntry(t, "intune"), scepEntry("scep"))
	mustRun(t, file)
	err := withKnown(file, func(_ known, _ []rawEntry, database nosql.DB) error {
		return database.Set([]byte(tableKnown), []byte("intune"), []byte("{"))
	})
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, file, scepEntry("scep"))
	if names, err := missingEntries(file); err != nil || !slices.Equal(names, []string{"intune"}) {
		t.Errorf("missing are %q, %v", names, err)
	}
}

// On a server two callers can both add a row: what they add must be the same.
func TestReplicasThatStartAtOnceNoteTheSame(t *testing.T) {
	onServers(t, func(t *testing.T, server *dbserver.Server) {
		var replicas sync.WaitGroup
		defer replicas.Wait()
		first := newReplica(t, server)
		for range 4 {
			database := newReplica(t, server)
			replicas.Go(func() {
				k, err := readKnown(database)
				if err == nil {
					err = k.serve(database, []string{"a", "b"}, time.Now())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		k, err := readKnown(first)
		if err != nil || len(k) != 2 || k["a"].Since.IsZero() || k["b"].Retired {
			t.Errorf("got %v, %v", k, err)
		}
	})
}

func newReplica(t *testing.T, s *dbserver.Server) nosql.DB {
	t.Helper()
	database, err := nosql.New(s.Driver, s.Source(s.Address, "known"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database.Close() })
	return database
}
