// Package mend opens a badger database that a kill has left with a half-written entry at
// its end, so that the CA starts again.
//
// A process that is killed in the middle of a write leaves the beginning of it in the value
// log. No transaction was acknowledged with it. badger opens such a database only when it
// may cut the beginning off, which step-ca does not let it.
package mend

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	badger1 "github.com/dgraph-io/badger"
	badger2 "github.com/dgraph-io/badger/v2"
	"github.com/smallstep/nosql"
)

// config is the part of ca.json that names the database.
type config struct {
	DB struct {
		Type       string `json:"type"`
		DataSource string `json:"dataSource"`
		ValueDir   string `json:"valueDir"`
	} `json:"db"`
}

// Database mends the badger database that a ca.json names, if its last process was killed:
// badger's lock file is still there then. What is cut off is kept beside the value log as
// .torn. Everything else, such as a ca.json that cannot be read or a database that another
// process has open, is left for step-ca to name.
func Database(configFile string, log *slog.Logger) error {
	content, err := os.ReadFile(configFile)
	if err != nil {
		return nil
	}
	var c config
	if err := json.Unmarshal(content, &c); err != nil {
		return nil
	}
	open := opener(c.DB.Type)
	if open == nil {
		return nil
	}
	dir, values := c.DB.DataSource, c.DB.ValueDir
	if values == "" {
		values = dir
	}
	if _, err := os.Stat(filepath.Join(dir, "LOCK")); err != nil {
		return nil
	}
	file, err := open(dir, values, false)
	if !torn(err) {
		return nil
	}
	if err := isLast(file, values); err != nil {
		return err
	}
	kept, err := keep(filepath.Join(values, file))
	if err != nil {
		return fmt.Errorf("keeping the value log of the database before it is mended: %w", err)
	}
	if _, err := open(dir, values, true); err != nil {
		return fmt.Errorf("mending the database after a kill, its value log is kept as %s: %w", kept, err)
	}
	log.Warn("the database ended in a half-written entry, as after a kill; it has been cut off. More than some kilobytes are damage: restore a backup then",
		"database", dir, "kept", kept, "bytes", sizeOf(kept)-sizeOf(filepath.Join(values, file)))
	return nil
}

// opener opens and closes a badger database and says whether it may cut off what is torn. It
// returns the file that it read last.
func opener(kind string) func(dir, values string, truncate bool) (file string, err error) {
	switch strings.ToLower(kind) {
	case nosql.BadgerDriver, nosql.BadgerV1Driver:
		return func(dir, values string, truncate bool) (string, error) {
			var w replays
			db, err := badger1.Open(badger1.DefaultOptions(dir).WithValueDir(values).WithTruncate(truncate).WithLogger(&w))
			if err != nil {
				return w.file, err
			}
			return "", db.Close()
		}
	case nosql.BadgerV2Driver:
		return func(dir, values string, truncate bool) (string, error) {
			var w replays
			db, err := badger2.Open(badger2.DefaultOptions(dir).WithValueDir(values).WithTruncate(truncate).WithLogger(&w))
			if err != nil {
				return w.file, err
			}
			return "", db.Close()
		}
	}
	return nil
}

// replays is badger's logger: it says which file of the value log it reads, its error does
// not.
type replays struct{ file string }

func (*replays) Errorf(string, ...any)   {}
func (*replays) Warningf(string, ...any) {}
func (*replays) Debugf(string, ...any)   {}
func (r *replays) Infof(format string, args ...any) {
	if strings.HasPrefix(format, "Replaying file id:") && len(args) > 0 {
		r.file = fmt.Sprintf("%06d.vlog", args[0])
	}
}

func torn(err error) bool {
	return errors.Is(err, badger1.ErrTruncateNeeded) || errors.Is(err, badger2.ErrTruncateNeeded)
}

// isLast makes sure that a file is the newest of the value log: a kill tears no other, and
// what is damaged in an older one was acknowledged.
func isLast(file, dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil || len(logs) == 0 {
		return fmt.Errorf("the database in %q has no value log: restore it from a backup", dir)
	}
	if newest := filepath.Base(slices.Max(logs)); file != newest {
		return fmt.Errorf("the database in %q is damaged in %q, not at its end in %q, which no kill explains: restore it from a backup", dir, file, newest)
	}
	return nil
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// keep copies a file.
func keep(file string) (string, error) {
	from, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer from.Close()
	name := file + time.Now().UTC().Format(".20060102T150405.torn")
	to, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		os.Remove(name)
		return "", err
	}
	return name, errors.Join(to.Sync(), to.Close())
}
