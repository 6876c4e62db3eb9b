package provisioner

import (
	"log/slog"
	"sync"

	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// waitingDB is step-ca's database with a Close that waits for the enrolments under way.
// On SIGTERM step-ca closes its database first and lets its requests end afterwards: a
// certificate that Intune has accepted could then no longer be stored.
type waitingDB struct {
	nosql.DB

	mu    sync.Mutex
	state *state // nil until there is an Intune entry
}

// Close implements [nosql.DB].
func (d *waitingDB) Close() error {
	d.mu.Lock()
	s := d.state
	d.mu.Unlock()
	if s != nil {
		s.end()
	}
	return d.DB.Close()
}

// open returns the state that belongs to the database.
func (d *waitingDB) open(log *slog.Logger) (_ *state, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == nil {
		d.state, err = openState(d.DB, true, log)
	}
	return d.state, err
}

// compactingDB keeps what step-ca looks for once a minute.
type compactingDB struct {
	*waitingDB
	nosql.Compactor
}

// wrapDatabase makes step-ca's database wait for the work under way when it is closed. It
// has to happen at the start, with or without Intune entries: a reload hands over the
// database of the running CA, which must not be exchanged under it. Without a database, nil.
func wrapDatabase(d db.AuthDB) *waitingDB {
	database, ok := d.(*db.DB)
	if !ok {
		return nil
	}
	switch wrapped := database.DB.(type) {
	case *waitingDB:
		return wrapped
	case *compactingDB:
		return wrapped.waitingDB
	}
	waiting := &waitingDB{DB: database.DB}
	if c, ok := database.DB.(nosql.Compactor); ok {
		database.DB = &compactingDB{waitingDB: waiting, Compactor: c}
	} else {
		database.DB = waiting
	}
	return waiting
}

// memoryState is the state of a CA without a database.
func memoryState(log *slog.Logger) (*state, error) {
	log.Warn("ca.json has no db: failure notifications are kept in memory only, and lost when the process ends")
	return openState(report.Memory(), false, log)
}
