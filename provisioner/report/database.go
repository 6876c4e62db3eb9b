package report

import "github.com/smallstep/nosql/database"

// Database is what the package needs of step-ca's database; every nosql.DB has it.
// [Memory] serves a CA without one.
type Database interface {
	CreateTable(table []byte) error
	Get(table, key []byte) ([]byte, error)
	List(table []byte) ([]*database.Entry, error)
	// Update is the only way in which this package writes.
	Update(tx *database.Tx) error
}

// The tables. What is listed at short intervals, journal and outbox, holds small rows;
// their certificates and requests are in the tables named data. Listing costs more than it
// may in an enrolment, whatever the table holds: badger goes on reading behind its end,
// over every row that was ever deleted there and is not compacted yet. Table slots says
// when it is worth it.
const (
	tableRequests    = "intune_requests"
	tableTickets     = "intune_request_tickets"
	tableJournal     = "intune_journal"
	tableJournalData = "intune_journal_data"
	tableOutbox      = "intune_outbox"
	tableOutboxData  = "intune_outbox_data"
	tableSlots       = "intune_outbox_slots"
	tableUnreadable  = "intune_unreadable"
)

func tables() []string {
	return []string{
		tableRequests, tableTickets, tableJournal, tableJournalData, tableOutbox,
		tableOutboxData, tableSlots, tableUnreadable,
	}
}
