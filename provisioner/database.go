package provisioner

import (
	"log/slog"
	"time"

	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"
)

// stopTimeout bounds how long the database stays open for work under way after SIGTERM.
// step-ca ends every answer after 15 s.
const stopTimeout = 15 * time.Second

// waitingDB is step-ca's database with a Close that waits for the enrolments under way.
// On SIGTERM step-ca closes its database first and lets its requests end afterwards: a
// certificate that Intune has accepted could then no longer be stored.
type waitingDB struct {
	nosql.DB
	work *work
	log  *slog.Logger
}

// Close implements [nosql.DB].
func (d *waitingDB) Close() error {
	select {
	case <-d.work.stop():
	case <-time.After(stopTimeout):
		d.log.Error("closing the database while enrolments are still under way")
	}
	return d.DB.Close()
}

// compactingDB keeps what step-ca looks for once a minute.
type compactingDB struct {
	*waitingDB
	nosql.Compactor
}

// wrapDatabase makes a database wait for w when it is closed, and returns what it already
// waits for when a reload hands over the database of the running CA. A database that is
// none, step-ca's way without `db`, stays as it is.
func wrapDatabase(d db.AuthDB, w *work, log *slog.Logger) *work {
	database, ok := d.(*db.DB)
	if !ok {
		return w
	}
	switch wrapped := database.DB.(type) {
	case *waitingDB:
		return wrapped.work
	case *compactingDB:
		return wrapped.work
	}
	waiting := &waitingDB{DB: database.DB, work: w, log: log}
	if c, ok := database.DB.(nosql.Compactor); ok {
		database.DB = &compactingDB{waitingDB: waiting, Compactor: c}
	} else {
		database.DB = waiting
	}
	return w
}
