package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// proc is the operating system's view of a process.
type proc int

func (p proc) path(name string) string { return filepath.Join("/proc", strconv.Itoa(int(p)), name) }

// cpu returns the time that the process has spent on processors, to the nanosecond: the
// ticks of /proc/PID/stat are as long as two enrolments. A thread that ended would be
// missing, and Go ends none.
func (p proc) cpu() (time.Duration, error) {
	threads, err := filepath.Glob(p.path("task/*/schedstat"))
	if err == nil && len(threads) == 0 {
		err = fmt.Errorf("process %d is not there, or this is not Linux", p)
	}
	var all time.Duration
	for _, thread := range threads {
		text, readErr := os.ReadFile(thread)
		if readErr != nil {
			return 0, readErr
		}
		ran, _, _ := bytes.Cut(text, []byte(" "))
		n, parseErr := strconv.ParseInt(string(ran), 10, 64)
		if parseErr != nil {
			return 0, parseErr
		}
		all += time.Duration(n)
	}
	return all, err
}

// memory reads a line of the process's status, in bytes: VmRSS is what it has now, VmHWM
// the most since the last call of resetPeak.
func (p proc) memory(line string) (int, error) {
	text, err := os.ReadFile(p.path("status"))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, line+":"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("the status of process %d has no line %s", p, line)
}

// resetPeak makes the most memory that the process has had that which it has now.
func (p proc) resetPeak() error { return os.WriteFile(p.path("clear_refs"), []byte("5"), 0) }

func (p proc) files() (int, error) {
	entries, err := os.ReadDir(p.path("fd"))
	return len(entries), err
}
