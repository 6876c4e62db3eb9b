package report

import (
	"context"
	"sync"
	"testing"
)

func TestReplicasMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func() Database) {
		all := make([]Database, 8)
		for i := range all {
			all[i] = open()
		}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for _, db := range all {
			wg.Go(func() {
				<-start
				if _, err := Open(context.Background(), db, nil); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
	})
}
