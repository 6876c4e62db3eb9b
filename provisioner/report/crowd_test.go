package report

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smallstep/nosql/database"
)

// counting notes how often a database refuses a transaction.
type counting struct {
	Database
	updates, refused *atomic.Int32
}

func (c *counting) Update(tx *database.Tx) error {
	c.updates.Add(1)
	err := c.Database.Update(tx)
	if err != nil {
		c.refused.Add(1)
	}
	return err
}

// What locks one request must not lock others: with gaps locked in common, MySQL refuses
// nearly all of these transactions as deadlocks, and requests fail.
func TestRequestsOfManyDevicesDoNotHinderEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		var updates, refused atomic.Int32
		stores := make([]*Store, 4)
		for i := range stores {
			stores[i] = openStore(t, &counting{open(), &updates, &refused})
		}
		var wg sync.WaitGroup
		for i := range 128 {
			wg.Go(func() {
				s := stores[i%len(stores)]
				claim, issued, err := s.Begin(t.Context(), requestOf(fmt.Sprint(i)), soon(s))
				if err == nil && issued == nil {
					err = claim.Prepare(t.Context(), certificate(), true)
				}
				if err == nil {
					err = claim.Complete(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if refused.Load() > updates.Load()/3 { // badger refuses some, of requests with the same lock
			t.Errorf("of %d transactions %d were tried again", updates.Load(), refused.Load())
		}
	})
}
