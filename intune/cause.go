package intune

// cause is an error from below, most often of net/http, which repeats in its
// errors what a peer sent: a status line, a header that cannot be parsed. Its
// text is fit for errors and logs, and errors.Is and errors.As find the
// original.
type cause struct {
	err  error
	text string
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

// newCause hides the given secrets in the text of err, which may be nil.
func newCause(err error, hide ...string) error {
	if err == nil {
		return nil
	}
	return &cause{err, redact(err.Error(), hide...)}
}
