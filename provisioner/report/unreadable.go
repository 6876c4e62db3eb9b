package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
)

// maxKey is how long a row's key is at most: the SQL databases take 255 bytes.
const maxKey = 255

// strange remembers which rows of a newer release were logged.
type strange struct {
	strangeMu sync.Mutex
	logged    map[string]bool
}

// read decodes a row of a table whose keys are never used again. One that cannot be read
// is set aside, one of a newer release stays for that; both are logged, and read returns
// false.
func (s *Store) read(ctx context.Context, table, key string, value []byte, r row) bool {
	err := decode(value, r)
	switch {
	case err == nil:
		return true
	case errors.Is(err, errNewer):
		s.logNewer(table, key, err)
	default:
		s.setAside(ctx, table, key, value, err)
	}
	return false
}

// setAside moves a row to the table for people.
func (s *Store) setAside(ctx context.Context, table, key string, value []byte, cause error) {
	s.logUnreadable(table, key, cause)
	err := s.commit(ctx, func(t *transaction) {
		t.set(tableUnreadable, asideKey(table, key), value)
		t.del(table, key)
	})
	if err != nil {
		s.log.Error("setting an unreadable row aside failed", "table", table, "key", clip(key, maxKey), "err", err)
	}
}

func (s *Store) logUnreadable(table, key string, cause error) {
	s.log.Error("unreadable row set aside", "table", table, "key", clip(key, maxKey), "to", tableUnreadable, "err", clip(cause.Error(), 200))
}

func (s *Store) logNewer(table, key string, err error) {
	s.strangeMu.Lock()
	defer s.strangeMu.Unlock()
	if name := asideKey(table, key); !s.logged[name] {
		if s.logged == nil || len(s.logged) > 10_000 {
			s.logged = map[string]bool{}
		}
		s.logged[name] = true
		s.log.Warn("row left to the newer release that wrote it", "table", table, "key", clip(key, maxKey), "err", err)
	}
}

// asideKey names a row set aside.
func asideKey(table, key string) string {
	name := table + "/" + key
	if len(name) <= maxKey {
		return name
	}
	sum := sha256.Sum256([]byte(key))
	return table + "/sha256:" + hex.EncodeToString(sum[:])
}
