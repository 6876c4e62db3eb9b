package provisioner

import (
	"log/slog"

	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

// waitingDB is step-ca's database with a Close that waits for the enrolments under way.
// On SIGTERM step-ca closes its database first and lets its requests end afterwards: a
// certificate that Intune has accepted could then no longer be stored.
type waitingDB struct {
	nosql.DB
	state *state
}

// Close implements [nosql.DB].
func (d *waitingDB) Close() error {
	d.state.end()
	return d.DB.Close()
}

// compactingDB keeps what step-ca looks for once a minute.
type compactingDB struct {
	*waitingDB
	nosql.Compactor
}

// stateOf returns the state that belongs to step-ca's database, and makes the database
// wait for it when it is closed. A reload hands over the database of the running CA, and
// with it its state. Without a database, false: the state has to be kept elsewhere.
func stateOf(d db.AuthDB, log *slog.Logger) (*state, bool, error) {
	database, ok := d.(*db.DB)
	if !ok {
		return nil, false, nil
	}
	switch wrapped := database.DB.(type) {
	case *waitingDB:
		return wrapped.state, true, nil
	case *compactingDB:
		return wrapped.state, true, nil
	}
	s, err := openState(database.DB, true, log)
	if err != nil {
		return nil, true, err
	}
	waiting := &waitingDB{DB: database.DB, state: s}
	if c, ok := database.DB.(nosql.Compactor); ok {
		database.DB = &compactingDB{waitingDB: waiting, Compactor: c}
	} else {
		database.DB = waiting
	}
	return s, true, nil
}

// memoryState is the state of a CA without a database.
func memoryState(log *slog.Logger) (*state, error) {
	log.Warn("ca.json has no db: failure notifications are kept in memory only, and lost when the process ends")
	return openState(report.Memory(), false, log)
}
