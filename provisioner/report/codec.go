package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MaxRecord is how many bytes a row holds at most: MySQL's column takes 65,535.
const MaxRecord = 60_000

// layout is the version of the rows that this package writes. Fields may be added
// without a new one; readers ignore those that they do not know.
const layout = 1

var (
	// ErrTooLarge says that a request does not fit into the database.
	ErrTooLarge = fmt.Errorf("the record is larger than %d bytes", MaxRecord)

	errUnreadable = errors.New("the row cannot be read")
	// errNewer says that a newer release wrote the row, which leaves it to that.
	errNewer = errors.New("a newer release wrote the row")
)

// row is what a table holds, as JSON.
type row interface {
	// check reports whether the values make sense.
	check() error
}

func encode(r row) ([]byte, error) {
	value, err := json.Marshal(struct {
		Layout int `json:"v"`
		Row    row `json:"r"`
	}{layout, r})
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	if len(value) > MaxRecord {
		return nil, ErrTooLarge
	}
	return value, nil
}

func decode(value []byte, r row) error {
	var outer struct {
		Layout int             `json:"v"`
		Row    json.RawMessage `json:"r"`
	}
	if err := json.Unmarshal(value, &outer); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if outer.Layout > layout {
		return fmt.Errorf("%w: layout %d", errNewer, outer.Layout)
	}
	if outer.Layout < 1 {
		return fmt.Errorf("%w: it has no layout", errUnreadable)
	}
	if err := json.Unmarshal(outer.Row, r); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return nil
}

// instant is a time in milliseconds since 1970, 0 for none.
type instant int64

func at(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.UnixMilli())
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i))
}
