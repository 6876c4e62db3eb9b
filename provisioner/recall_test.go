package provisioner

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"
)

// speechless is a database that does not answer once to who reads a table.
type speechless struct {
	nosql.DB
	table string
	asked atomic.Bool
}

func (d *speechless) Get(table, key []byte) ([]byte, error) {
	if string(table) == d.table && !d.asked.Swap(true) {
		return nil, errAway
	}
	return d.DB.Get(table, key)
}

// No answer of the database is no answer: the certificate may be as good as ever, and in
// the hands of the device.
func TestARepeatDoesNotBeginAnewWhenTheDatabaseDoesNotAnswer(t *testing.T) {
	for _, table := range []string{"revoked_x509_certs", "x509_certs"} {
		t.Run(table, func(t *testing.T) {
			client := newFakeClient()
			r := startPlugin(t, writeCA(t, withDatabase(t), intuneEntry(t, "intune")), client)
			c := connect(t, r.server, "intune")
			_, m := prepare(t, c, device1("x"))
			first := send(t, c, m)
			r.instance.issued = newIssuedCertificates(1, time.Now) // as in another replica
			database := r.authority.GetDatabase().(*db.DB)
			database.DB = &speechless{DB: database.DB, table: table}
			if again := send(t, c, m); again.Certificate != nil {
				t.Error("a certificate, although the database did not answer")
			}
			if again := send(t, c, m); again.Certificate == nil || !again.Certificate.Equal(first.Certificate) {
				t.Error("not the same certificate afterwards")
			}
			if _, succeeded := client.counts(); succeeded != 1 {
				t.Errorf("reported %d times", succeeded)
			}
			client.wantNoFailure(t)
		})
	}
}
