package report

import (
	"context"
	"fmt"
)

// Ping returns nil when the database answers and holds what the package needs.
func (s *Store) Ping(ctx context.Context) error {
	value, err := s.get(ctx, tableRequests, lockOf("00"))
	if err == nil && value == nil {
		err = errNoLocks
	}
	if err != nil {
		return fmt.Errorf("asking the database: %w", err)
	}
	return nil
}
