package report

import (
	"bytes"
	"maps"
	"slices"
	"sync"

	"github.com/smallstep/nosql/database"
)

// Memory returns a database that ends with the process. Without a database in ca.json
// the same code runs on it.
func Memory() Database { return &memory{tables: map[string]map[string][]byte{}} }

type memory struct {
	mu     sync.Mutex
	tables map[string]map[string][]byte
}

func (m *memory) CreateTable(table []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tables[string(table)] == nil {
		m.tables[string(table)] = map[string][]byte{}
	}
	return nil
}

func (m *memory) Get(table, key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.get(table, key)
}

func (m *memory) get(table, key []byte) ([]byte, error) {
	value, ok := m.tables[string(table)][string(key)]
	if !ok {
		return nil, database.ErrNotFound
	}
	return bytes.Clone(value), nil
}

func (m *memory) List(table []byte) ([]*database.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, ok := m.tables[string(table)]
	if !ok {
		return nil, database.ErrNotFound
	}
	entries := make([]*database.Entry, 0, len(rows))
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		entries = append(entries, &database.Entry{Bucket: table, Key: []byte(key), Value: bytes.Clone(rows[key])})
	}
	return entries, nil
}

// Update implements [Database]: all operations or, after an error, none.
func (m *memory) Update(tx *database.Tx) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var undo []func()
	for _, op := range tx.Operations {
		rows, ok := m.tables[string(op.Bucket)]
		err := error(nil)
		if !ok {
			err = database.ErrNotFound
		} else {
			key := string(op.Key)
			if old, existed := rows[key]; existed {
				undo = append(undo, func() { rows[key] = old })
			} else {
				undo = append(undo, func() { delete(rows, key) })
			}
			err = m.apply(op)
		}
		if err != nil {
			for _, f := range slices.Backward(undo) {
				f()
			}
			return err
		}
	}
	return nil
}

func (m *memory) apply(op *database.TxEntry) (err error) {
	rows, key := m.tables[string(op.Bucket)], string(op.Key)
	switch op.Cmd {
	case database.Get:
		op.Result, err = m.get(op.Bucket, op.Key)
		return err
	case database.Set:
		rows[key] = bytes.Clone(op.Value)
	case database.Delete:
		delete(rows, key)
	case database.CmpAndSwap:
		if op.Swapped = bytes.Equal(rows[key], op.CmpValue); op.Swapped {
			rows[key] = bytes.Clone(op.Value)
		}
		op.Result = bytes.Clone(rows[key])
	default:
		return database.ErrOpNotSupported
	}
	return nil
}
