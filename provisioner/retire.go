package provisioner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"
)

// Retire notes that an Intune provisioner is missing from a ca.json on purpose, so that
// its CA no longer complains. The name stays taken. A database of files can be opened only while
// the CA is stopped, and only by its owner.
func Retire(file, name string) error {
	return withKnown(file, func(k known, ours []rawEntry, database nosql.DB) error {
		for _, e := range ours {
			if e.name == name {
				return fmt.Errorf("provisioner %q is in %s: remove it there first", name, file)
			}
		}
		e, ok := k[name]
		if !ok {
			return fmt.Errorf("this CA has never served an Intune provisioner %q", name)
		}
		e.Retired = true
		return k.write(database, name, e)
	})
}

// withKnown calls f with the notes of a CA's database.
func withKnown(file string, f func(known, []rawEntry, nosql.DB) error) error {
	conf, err := config.LoadConfiguration(file)
	if err != nil {
		return err
	}
	entries, err := readEntries(file)
	if err != nil {
		return err
	}
	if conf.DB == nil {
		return f(known{}, intuneOnly(entries), nil)
	}
	if err := mayOpen(conf.DB); errors.Is(err, fs.ErrNotExist) {
		return f(known{}, intuneOnly(entries), nil) // the CA has never been started
	} else if err != nil {
		return err
	}
	authDB, err := db.New(conf.DB)
	if err != nil {
		return fmt.Errorf("opening the CA's database, which works only while the CA is stopped unless it is a server: %w", err)
	}
	database := authDB.(*db.DB)
	defer database.Close()
	k, err := readKnown(database)
	if err != nil {
		return err
	}
	return f(k, intuneOnly(entries), database)
}

// mayOpen refuses a database of files that belong to somebody else: opening it makes new
// files, which the CA could not read.
func mayOpen(c *db.Config) error {
	if isServer(c.Type) {
		return nil
	}
	info, err := os.Stat(c.DataSource)
	if err != nil {
		return err
	}
	if !ownedByUs(info) {
		return fmt.Errorf("the CA's database %s belongs to another user: run this as the user of the CA", c.DataSource)
	}
	return nil
}
