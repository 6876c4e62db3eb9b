package provisioner

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v2"
	"github.com/smallstep/certificates/db"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	// errInUse says that a database of files is a running CA's.
	errInUse = errors.New("it is in use")
	// errNoReader says that a database cannot be read without the right to write.
	errNoReader = errors.New("it cannot be read without being changed")
)

// serverTimeout bounds the conversation with a database server.
const serverTimeout = 5 * time.Second

// readTable returns the rows of a table in a CA's database by their keys. It writes nothing:
// nosql, which step-ca opens its database with, makes files, databases and tables. A
// database or table that is not there yet has no rows.
func readTable(ctx context.Context, c *db.Config, table string) (map[string][]byte, error) {
	switch kind := strings.ToLower(c.Type); {
	case isServer(kind):
		return readServer(ctx, kind, c, table)
	case kind == "bbolt":
		return readBolt(c.DataSource, table)
	case kind == "badgerv2":
		return readBadger(c, table)
	default:
		return nil, errNoReader
	}
}

func readBolt(file, table string) (map[string][]byte, error) {
	d, err := bbolt.Open(file, 0, &bbolt.Options{ReadOnly: true, Timeout: 200 * time.Millisecond})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, errInUse
	case err != nil:
		return nil, err
	}
	defer d.Close()
	rows := map[string][]byte{}
	err = d.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(table))
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			rows[string(k)] = append([]byte{}, v...)
			return nil
		})
	})
	return rows, err
}

func readBadger(c *db.Config, table string) (map[string][]byte, error) {
	if _, err := os.Stat(filepath.Join(c.DataSource, badger.ManifestFilename)); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	options := badger.DefaultOptions(c.DataSource).WithReadOnly(true).WithLogger(nil)
	if c.ValueDir != "" {
		options.ValueDir = c.ValueDir
	}
	d, err := badger.Open(options)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "Cannot acquire directory lock"): // it has no error of its own
		return nil, errInUse
	case errors.Is(err, badger.ErrReplayNeeded), errors.Is(err, badger.ErrTruncateNeeded), errors.Is(err, badger.ErrWindowsNotSupported):
		return nil, errNoReader
	default:
		return nil, err
	}
	defer d.Close()
	rows := map[string][]byte{}
	err = d.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		// nosql puts the length before the name of the table, and before the key.
		prefix := append(binary.LittleEndian.AppendUint16(nil, uint16(len(table))), table...)
		for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
			key := it.Item().KeyCopy(nil)[len(prefix):]
			if len(key) < 2 {
				continue // the table itself
			}
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			rows[string(key[2:])] = value
		}
		return nil
	})
	return rows, err
}

// readServer uses the drivers that nosql registers.
func readServer(ctx context.Context, kind string, c *db.Config, table string) (map[string][]byte, error) {
	driver, source := "mysql", mysqlSource(c.DataSource, c.Database)
	if kind == "postgresql" {
		driver, source = "pgx", postgresSource(c.DataSource, c.Database)
	}
	d, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	rows, err := d.QueryContext(ctx, "SELECT nkey, nvalue FROM "+table)
	if notThere(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string][]byte{}
	for rows.Next() {
		var key, value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		all[string(key)] = value
	}
	return all, rows.Err()
}

// notThere reports whether a server knows neither the table nor the database.
func notThere(err error) bool {
	if state, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return state.SQLState() == "42P01" || state.SQLState() == "3D000"
	}
	return err != nil && (strings.HasPrefix(err.Error(), "Error 1146 ") || strings.HasPrefix(err.Error(), "Error 1049 "))
}

// mysqlSource sets the database in user:password@protocol(address)/database?parameters.
func mysqlSource(source, database string) string {
	i := strings.LastIndex(source, "/")
	if database == "" || i < 0 {
		return source
	}
	_, parameters, _ := strings.Cut(source[i:], "?")
	return source[:i+1] + database + "?" + parameters
}

// postgresSource sets the database in a URL or in a list of key=value.
func postgresSource(source, database string) string {
	if database == "" {
		return source
	}
	if u, err := url.Parse(source); err == nil && u.Scheme != "" {
		u.Path = "/" + database
		return u.String()
	}
	return source + " dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + "'"
}
