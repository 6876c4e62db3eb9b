package outage

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// profile is step-ca's own server of profiles.
type profile struct {
	*testing.T
	address string
}

// newProfile returns a profile and the variable that makes step-ca serve it.
func newProfile(t *testing.T) (profile, string) {
	t.Helper()
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return profile{t, address}, "STEP_PROF_ADDR=" + address
}

// figure reads a number out of a profile.
func (p profile) figure(path, pattern string) int {
	p.Helper()
	answer, err := http.Get("http://" + p.address + "/debug/pprof/" + path)
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.Fatal(err)
	}
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		p.Fatalf("%s does not match %q", path, pattern)
	}
	n, err := strconv.Atoi(string(match[1]))
	if err != nil {
		p.Fatal(err)
	}
	return n
}

func (p profile) goroutines() int {
	return p.figure("goroutine?debug=1", `goroutine profile: total (\d+)`)
}

// heap returns what is in use after a garbage collection.
func (p profile) heap() int { return p.figure("heap?gc=1&debug=1", `# HeapAlloc = (\d+)`) }

// memory returns what the process has of the system, without what it has given back.
func (p profile) memory() int {
	return p.figure("heap?debug=1", `# Sys = (\d+)`) - p.figure("heap?debug=1", `# HeapReleased = (\d+)`)
}

// watchMemory returns a function that ends the watch and returns the most that there was.
func (p profile) watchMemory() (most func() int) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	peak := 0
	wg.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, p.memory())
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() int { close(done); wg.Wait(); return peak }
}

func mebibytes(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
