package provisioner

import "errors"

// mistakes are all that is wrong in one place of ca.json, in the order in which it was
// found. As an error they are the first of them: a start is refused with one line. [Check]
// shows them all.
type mistakes []error

// Error implements error.
func (m mistakes) Error() string { return m[0].Error() }

// Unwrap returns the first mistake.
func (m mistakes) Unwrap() error { return m[0] }

// note adds an error, if it is one, and reports whether it was none.
func (m *mistakes) note(err error) bool {
	*m = append(*m, allOf(err)...)
	return err == nil
}

// err returns the mistakes as an error, nil when there are none.
func (m mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// allOf returns the mistakes that an error stands for: itself, where it is none of several.
func allOf(err error) []error {
	if err == nil {
		return nil
	}
	if m, ok := errors.AsType[mistakes](err); ok {
		return m
	}
	return []error{err}
}
