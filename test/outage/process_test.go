package outage

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
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

// residentMemory reads a line of the CA's status, in bytes: VmRSS is what it has now,
// VmHWM the most that it ever had. The test is skipped where there is no such thing.
func residentMemory(t *testing.T, r *crash.Replica, line string) int {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(folders) == 0 {
		t.Skip("this system does not tell what memory a process has")
	}
	for _, folder := range folders {
		command, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err != nil || !bytes.Contains(command, []byte(r.Authority().File("ca.json"))) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(folder, "status"))
		if err != nil {
			t.Fatal(err)
		}
		match := regexp.MustCompile(`(?m)^` + line + `:\s+(\d+) kB$`).FindSubmatch(status)
		if match == nil {
			t.Fatalf("no %s in %q", line, status)
		}
		n, err := strconv.Atoi(string(match[1]))
		if err != nil {
			t.Fatal(err)
		}
		return n << 10
	}
	t.Fatal("the CA is not among the processes")
	return 0
}

func mebibytes(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
