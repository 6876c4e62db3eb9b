package harness

import (
	"bytes"
	"strings"
	"sync"
)

// output collects everything that a process prints and wakes those who wait for
// a part of it.
type output struct {
	mu      sync.Mutex
	buffer  bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buffer.Write(p)
}

// since returns what was printed after the first from bytes, and a channel that
// is closed with the next addition.
func (o *output) since(from int) (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.buffer.Bytes()[from:]), o.changed
}

// lineWith returns the first complete line of text that holds part.
func lineWith(text, part string) (string, bool) {
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, part) {
			return strings.TrimSuffix(line, "\n"), true
		}
	}
	return "", false
}
