package crash

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Summary is what came out of a run.
type Summary struct {
	Begin time.Time

	mu      sync.Mutex
	figures map[string]*Figures // by combination
}

func (s *Summary) add(r *round, err error, w io.Writer, dir string, keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.figures[r.name] == nil {
		s.figures[r.name] = &Figures{}
	}
	s.figures[r.name].add(r.figures)
	f := r.figures
	fmt.Fprintf(w, "round %d, %s: %s, %s\n", r.seed, r.name, f, f.Took.Round(time.Second))
	if err != nil {
		fmt.Fprintf(w, "FAILED, again with -rounds 1 -seed %d; logs in %s\n\t%s\n", r.seed, dir, strings.ReplaceAll(err.Error(), "\n", "\n\t"))
		return
	}
	if !keep {
		os.RemoveAll(dir)
	}
}

// Failed is the number of rounds that found something wrong.
func (s *Summary) Failed() int {
	n := 0
	for _, f := range s.figures {
		n += f.Failed
	}
	return n
}

// String is one line.
func (s *Summary) String() string {
	var all Figures
	var parts []string
	for name, f := range s.figures {
		all.add(*f)
		parts = append(parts, fmt.Sprintf("%s: %d rounds, %s", name, f.Rounds, f))
	}
	slices.Sort(parts)
	return fmt.Sprintf("crash: %d rounds, %d failed, in %s | %s", all.Rounds, all.Failed,
		time.Since(s.Begin).Round(time.Second), strings.Join(parts, " | "))
}

// String is the figures that matter.
func (f Figures) String() string {
	return fmt.Sprintf("%d kills, %d cuts, %d of %d devices with certificates, %d of %d calls spoilt, %d revoked, %d failures reported, %d dead, %d lost, %d withheld but listed",
		f.Kills, f.Cuts, f.Issued, f.Devices, f.Faults, f.Calls, f.TakenBack, f.Failures, f.Dead, f.Lost, f.Duplicate)
}
