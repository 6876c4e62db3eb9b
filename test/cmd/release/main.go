// Command release makes what a release consists of, into the folder dist: a static binary
// for each platform, for each binary a bill of materials, the licences of everything that
// is linked, the systemd unit, and SHA256SUMS of it all.
//
//	go run ./test/cmd/release [-out dist] [-ldflags FLAGS] -version V -date D [GOOS/GOARCH ...]
//
// Without arguments it makes all platforms. The same commit, built by the same Go, gives
// the same bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	var r release
	flag.StringVar(&r.out, "out", "dist", "`folder` for the files; what is in it is removed")
	flag.StringVar(&r.version, "version", "", "`version` of the release, as git has it")
	flag.StringVar(&r.ldflags, "ldflags", "", "`flags` of the linker, as `make build` uses them")
	flag.TextVar(&r.date, "date", time.Time{}, "`time` of the commit, as RFC 3339 has it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.make(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1)
	}
}

type release struct {
	out, version, ldflags string
	date                  time.Time
}

func (r *release) make(ctx context.Context, names []string) error {
	targets, err := parsePlatforms(names)
	if err != nil {
		return err
	}
	if r.version == "" || r.date.IsZero() {
		return errors.New("-version and -date are needed")
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, p := range targets {
		fmt.Println("release:", p.binary())
		if err := r.build(ctx, p); err != nil {
			return err
		}
		if err := r.writeBill(p); err != nil {
			return err
		}
	}
	licences, err := collectLicences(ctx, targets)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, "LICENSES.txt"), licences, 0o644); err != nil {
		return err
	}
	return r.complete()
}

// unit is what a release installs the program with.
const unit = "packaging/step-ca-intune.service"

// complete adds what is the same for all platforms, and the sums of everything.
func (r *release) complete() error {
	text, err := os.ReadFile(unit)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, filepath.Base(unit)), text, 0o644); err != nil {
		return err
	}
	return writeSums(r.out)
}
