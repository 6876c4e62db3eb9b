package report

import (
	"slices"
	"sync"
)

// slotOf returns the slot of a group, one of 4,096. A slot's row is never removed, and its
// value is another one whenever a report of the slot's groups becomes pending.
func slotOf(group string) string { return group[:min(3, len(group))] }

// stir changes the slot of a group, as part of the transaction that makes a report of it
// pending.
func (t *transaction) stir(group string) { t.set(tableSlots, slotOf(group), []byte(newToken())) }

// slots remembers which groups had pending reports when the outbox was read last. While the
// slot of a group has the same value no group of it can have got one since: a group that had
// none then has none now.
type slots struct {
	mu   sync.Mutex
	seen map[string]seen // by slot
}

// seen is one slot. Its value was read before the outbox was.
type seen struct {
	value   string
	pending []string // groups
}

// lack reports whether a group has no pending report, its slot having this value now.
func (all *slots) lack(group string, value []byte) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	s, known := all.seen[slotOf(group)]
	return known && s.value == string(value) && !slices.Contains(s.pending, group)
}

// note remembers a reading that began when the slot of a group had this value already.
func (all *slots) note(group string, value []byte, pending map[string][]string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.seen == nil {
		all.seen = map[string]seen{}
	}
	slot := slotOf(group)
	all.seen[slot] = seen{value: string(value), pending: pending[slot]}
}
