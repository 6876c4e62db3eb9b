package bench

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// Machine is the shape of the machine and what ran on it.
type Machine struct {
	System     string `json:"system"`
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	MemoryMiB  int    `json:"memoryMiB"`
	Go         string `json:"go"`
	StepCA     string `json:"stepCA"`
	Database   string `json:"database"`
}

// thisMachine describes the machine, and the stock step-ca that is built in a folder.
func thisMachine(bin string) Machine {
	release, _, _ := strings.Cut(fieldOf("/proc/sys/kernel/osrelease", ""), "-")
	m := Machine{
		System:     strings.TrimSpace("Linux " + release),
		Processor:  fieldOf("/proc/cpuinfo", "model name"),
		Processors: runtime.NumCPU(), Go: runtime.Version(), Database: "badger",
	}
	if kB, err := strconv.Atoi(strings.TrimSuffix(fieldOf("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		m.MemoryMiB = kB >> 10
	}
	if info, err := buildinfo.ReadFile(harness.StepCA.In(bin)); err == nil {
		m.StepCA = info.Main.Version
	}
	return m
}

// fieldOf returns the value of the first line that begins with name, or all of the file
// for no name.
func fieldOf(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	if name == "" {
		return strings.TrimSpace(string(text))
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// calibration tells how fast the machine is at the moment.
type calibration struct{ signature, sync []float64 }

// measure takes the time of one RSA-2048 signature and of one synced write, each the
// median of a few.
func (c *calibration) measure(dir string) error {
	key, digest := device.Keys(1)[0], sha256.Sum256([]byte("calibration"))
	signature, err := median(15, func() error {
		_, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "calibration"))
	if err != nil {
		return err
	}
	sync, err := median(5, func() error {
		if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil {
			return err
		}
		return f.Sync()
	})
	c.signature, c.sync = append(c.signature, signature), append(c.sync, sync)
	return errors.Join(err, f.Close())
}

// median returns how many milliseconds f takes.
func median(n int, f func() error) (float64, error) {
	times := make([]float64, n)
	for i := range times {
		begin := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		times[i] = milliseconds(time.Since(begin))
	}
	return spreadOf(times).Median, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
