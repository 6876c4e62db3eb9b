package mend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/smallstep/nosql"
)

// killed is a database as a process leaves it that was killed: what is on disk while it is
// open.
func killed(t *testing.T, kind string) (dir, configFile string) {
	t.Helper()
	open := t.TempDir()
	db, err := nosql.New(kind, open)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.CreateTable([]byte("table")); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := db.Set([]byte("table"), fmt.Append(nil, i), bytes.Repeat([]byte("v"), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(t.TempDir(), "db")
	if err := os.CopyFS(dir, os.DirFS(open)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]any{"db": map[string]any{"type": kind, "dataSource": dir}})
	if err != nil {
		t.Fatal(err)
	}
	configFile = filepath.Join(t.TempDir(), "ca.json")
	if err := os.WriteFile(configFile, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, configFile
}

// tear cuts some bytes off the newest entry.
func tear(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()-10); err != nil {
		t.Fatal(err)
	}
}

// rows opens the database as step-ca does and counts.
func rows(t *testing.T, kind, dir string) int {
	t.Helper()
	db, err := nosql.New(kind, dir)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	defer db.Close()
	all, err := db.List([]byte("table"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func eachKind(t *testing.T, test func(t *testing.T, kind string)) {
	for _, kind := range []string{nosql.BadgerV1Driver, nosql.BadgerV2Driver} {
		t.Run(kind, func(t *testing.T) { test(t, kind) })
	}
}

func kept(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.torn"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestATornDatabaseOpensAgain(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		dir, config := killed(t, kind)
		file := filepath.Join(dir, "000000.vlog")
		tear(t, file)
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if err := Database(config, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if n := rows(t, kind, dir); n != 99 {
			t.Errorf("%d of 99 whole rows", n)
		}
		files := kept(t, dir)
		if len(files) != 1 || !bytes.Contains(log.Bytes(), []byte(files[0])) || !regexp.MustCompile(`bytes=[1-9]\d{2,3}\s`).Match(log.Bytes()) {
			t.Fatalf("kept %q, logged %s", files, &log)
		}
		if after, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(after, before) {
			t.Errorf("what is kept is not what there was: %v", err)
		}
	})
}

func TestADatabaseThatIsWholeStaysAsItIs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		dir, config := killed(t, kind)
		if err := Database(config, slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
			t.Fatal(err)
		}
		if n, files := rows(t, kind, dir), kept(t, dir); n != 100 || len(files) != 0 {
			t.Errorf("%d of 100 rows, kept %q", n, files)
		}
	})
}

func TestDamageInTheMiddleIsNotCutAway(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		dir, config := killed(t, kind)
		file := filepath.Join(dir, "000000.vlog")
		tear(t, file)
		newer, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "000001.vlog"), newer[:min(len(newer), 20)], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Database(config, slog.New(slog.NewTextHandler(io.Discard, nil))); err == nil {
			t.Error("no error")
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, newer) {
			t.Errorf("the file was changed: %v", err)
		}
	})
}

func TestWhatIsNotOursToMendIsLeftAlone(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"no JSON":     "{",
		"no database": "{}",
		"PostgreSQL":  `{"db":{"type":"postgresql","dataSource":"postgresql://ca@localhost/"}}`,
		"bbolt":       `{"db":{"type":"bbolt","dataSource":"` + folder + `"}}`,
		"a new one":   `{"db":{"type":"badgerv2","dataSource":"` + folder + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ca.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Database(file, slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
				t.Error(err)
			}
			if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
				t.Errorf("made %v, %v", entries, err)
			}
		})
	}
}
