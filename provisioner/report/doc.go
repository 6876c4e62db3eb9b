// Package report keeps what must survive a crash: which certificate requests are under
// way, which certificates have not left yet, and which notifications Intune has still to
// get. All of it lives in step-ca's own database, which several replicas may share; see
// [Memory] for a CA without one.
//
// # One request
//
//	             Begin                 Prepare                  Complete
//	(nothing) ─────────▶ open ─────────────────────▶ prepared ───────────▶ issued
//	    ▲ ▲               │      + journal record    │      │   − journal    │
//	    │ │    Abort      │                          │      │   + success    │ 15 min
//	    │ └───────────────┘          Abort           │      │     report,    │
//	    │   + failure report   − journal             │      │     if queued  │
//	    │                      + failure report      │      │                │
//	    ├────────────────────────────────────────────┘      │ 1 min: sweep   │
//	    │             − journal + failure report,           │                │
//	    │             certificate revoked                   │                │
//	    ├───────────────────────────────────────────────────┘                │
//	    └────────────────────────────────────────────────────────────────────┘
//
// A request is named by its provisioner and its bytes, not by its transaction id. [Store.Begin]
// gives it to one holder at a time, on whatever replica; others wait. An open one whose
// holder has used up its time is taken over, an issued one is remembered for 15 minutes
// ([RememberFor]), and [Store.Restart] begins it anew when its certificate was revoked
// since. Each arrow is one transaction, with everything that stands beside it.
//
// The journal record says that a certificate exists that may not have left. It is written
// before the success notification (strict) or before the certificate leaves the signer
// (queued), and it ends with [Claim.Complete] or [Claim.Abort]. One that is a minute old
// belongs to a request that died, since none lives longer than 25 s: whichever replica
// finds it claims it, has the certificate revoked ([Orphans]) and turns it into a failure
// report. From the moment of that claim on Complete returns [ErrLost]. The same request,
// arriving meanwhile, waits.
//
// # The outbox
//
//	pending ──lease──▶ being sent ──accepted──▶ (gone)
//	  ▲ ▲                 │    │
//	  │ └─────failed──────┘    └──refused, or failed after 72 h──▶ dead ──Drop──▶ (gone)
//	  └─────────────────────────────Retry───────────────────────────┘
//
// [Delivery] sends each report at least once, and those of one transaction in the order
// of their creation; a dead one stands in nobody's way. It is sent twice only when the
// process dies, or loses its database, between Intune's answer and the row's removal. A
// failed report waits from one second to 15 minutes, growing and jittered. When a
// provisioner's calls fail one after the other, one report at a time tries, the least
// tried first and at most one a minute; when it comes through, the others follow, the
// oldest first, no more than 50 a second. A report whose provisioner is not configured
// stays pending for ever.
//
// Not everything passes through the outbox: with strict reporting a success goes to Intune
// before the certificate leaves. [Store.Settle] keeps the order of a transaction there. It
// reads one small row, and the whole outbox only when a report has become pending since it
// did so last, in a transaction that shares that row.
//
// # Transactions
//
// nosql's compare-and-swap is not atomic on PostgreSQL for a row that does not exist: two
// callers both win. On MySQL they do with READ COMMITTED; else one is refused as a
// deadlock. On an existing row it is atomic: it holds the row until the transaction ends.
// And no condition stops a nosql transaction but one: a read of a row that is not there
// undoes it, on every database. Hence:
//   - A fixed set of lock rows, which stand between the requests: MySQL locks the gap
//     around a row to be added, and so at most as far as to the next lock row. A
//     transaction about a request first swaps its lock row with itself. badger, which has
//     no locks, answers with a conflict and is asked again.
//   - Tickets. Each change of a request gives it a new random token, and one row named
//     after it. A transaction that relies on a state reads the ticket of that state: if
//     somebody else has changed the request since, it fails as a whole.
//   - A report's row exists when it is leased, and so a plain swap will do.
//
// After an error of the database it is unknown whether a transaction has happened. It is
// tried again, and a ticket that is gone is compared with what the caller wanted to write.
//
// # What is durable
//
// What a method has written is on disk when it returns, as far as the database keeps its
// word. badger is opened with its default SyncWrites (versions 1 and 2), which syncs each
// commit; bbolt syncs each commit, too. PostgreSQL does unless synchronous_commit was
// turned off, MySQL unless innodb_flush_log_at_trx_commit differs from 1; a failover to
// an asynchronous standby may lose the last transactions on both.
//
// # Clocks
//
// Times of one replica are compared with the clock of another. They may differ by up to
// 25 seconds. When they differ by more, a report may be sent by two replicas at once, and
// a request that is still alive may be swept, which its holder notices.
//
// # Rows
//
// Rows are JSON with a layout number. Unknown fields are ignored. A row of a higher layout
// is left to the newer release that wrote it, so that old and new replicas can run side by
// side; it is logged once, and a request in such a state is not begun. A row that cannot
// be read is moved to the table intune_unreadable, for people, and logged; the rest goes
// on. No row is larger than [MaxRecord].
package report
