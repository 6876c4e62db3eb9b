package provisioner

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/smallstep/nosql/database"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// tableKnown is where the CA's database notes the names of Intune entries.
const tableKnown = "intune_provisioners"

// known are the Intune entries that the CA has served at any time, by name. An offline
// change with step rewrites ca.json without the entries that step does not know: the note
// tells that from a CA that never had one. The names stay ours for good: devices hold
// certificates that name them, and step-ca would let whoever has the name renew them.
type known map[string]knownEntry

// knownEntry is a row of the table.
type knownEntry struct {
	Since time.Time `json:"since"`
	// Retired says that the entry is missing on purpose.
	Retired bool `json:"retired,omitempty"`
}

// readKnown reads the notes. Without a database there are none.
func readKnown(db report.Database) (known, error) {
	// Of replicas that create the table at once PostgreSQL tells all but one that it failed.
	created := db.CreateTable([]byte(tableKnown))
	rows, err := db.List([]byte(tableKnown))
	if err != nil {
		return nil, fmt.Errorf("reading the known Intune provisioners: %w", errors.Join(created, err))
	}
	k := known{}
	for _, row := range rows {
		k.add(string(row.Key), row.Value)
	}
	return k, nil
}

// add takes over a row of the table.
func (k known) add(name string, row []byte) {
	var e knownEntry
	_ = json.Unmarshal(row, &e) // what cannot be read is known all the same
	k[name] = e
}

// write notes one entry.
func (k known) write(db report.Database, name string, e knownEntry) error {
	row, err := json.Marshal(e)
	if err != nil {
		return err
	}
	// Replicas may write the same row at once: the same value, but for the time.
	tx := new(database.Tx)
	tx.Set([]byte(tableKnown), []byte(name), row)
	if err := db.Update(tx); err != nil {
		return fmt.Errorf("noting the Intune provisioner %q in the database: %w", name, err)
	}
	k[name] = e
	return nil
}

// serve notes the entries that the CA serves now.
func (k known) serve(db report.Database, names []string, now time.Time) error {
	for _, name := range names {
		e, ok := k[name]
		if ok && !e.Retired {
			continue
		}
		if !ok {
			e.Since = now.UTC().Truncate(time.Second)
		}
		e.Retired = false
		if err := k.write(db, name, e); err != nil {
			return err
		}
	}
	return nil
}

// past returns the known entries that are not among those of ca.json, sorted.
func (k known) past(ours []rawEntry) []string {
	past := maps.Clone(k)
	for _, e := range ours {
		delete(past, e.name)
	}
	return slices.Sorted(maps.Keys(past))
}

// missing returns those of the past entries that nobody has retired.
func (k known) missing(ours []rawEntry) []string {
	return slices.DeleteFunc(k.past(ours), func(name string) bool { return k[name].Retired })
}

// logMissing says which entries ca.json has lost. The CA serves all others.
func (k known) logMissing(ours []rawEntry, file string, log *slog.Logger) {
	for _, name := range k.missing(ours) {
		log.Error("an Intune provisioner is missing from ca.json: its devices get no certificates",
			"provisioner", name, "since", k[name].Since,
			"advice", "an offline change such as `step ca provisioner add` rewrites ca.json without it: take the entry from a backup or from version control and restart. "+
				"If it was removed on purpose: step-ca-intune retire "+name+" "+file)
	}
}

// neighbour is a provisioner of the CA that is not ours.
type neighbour struct {
	name     string
	scep     bool
	x5cRoots []byte // PEM: whose certificates an X5C provisioner takes
}

// noneTaken refuses a neighbour with the name of an Intune entry, also of one that is gone.
func (k known) noneTaken(ours []rawEntry, neighbours []neighbour) error {
	var wrong mistakes
	for _, n := range neighbours {
		_, past := k[n.name]
		i := slices.IndexFunc(ours, func(e rawEntry) bool { return e.name == n.name })
		switch {
		case i >= 0:
			wrong.note(ours[i].err("name", "the database already holds a provisioner of this name, which came there by remote management: start step-ca itself with this ca.json and remove it with `step ca provisioner remove`, or give the entry another name"))
		case past:
			wrong.note(&configError{Provisioner: n.name, Key: "name", Err: errTaken})
		}
	}
	return wrong.err()
}

var errTaken = errors.New("an Intune provisioner of this CA had this name, and devices hold certificates with it that another provisioner would renew without Intune: choose another name (one that is in the database by remote management can be removed under step-ca itself)")
