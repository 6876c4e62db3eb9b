// Package postgres runs a PostgreSQL server for tests, from the binaries that Debian's
// package postgresql installs.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
)

// Start runs a new, empty server. The error is [dbserver.ErrNotInstalled] when there is
// none to run.
func Start(ctx context.Context) (*dbserver.Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	return dbserver.Start(ctx, dbserver.Program{
		Name: "PostgreSQL", Driver: nosql.PostgreSQLDriver, Users: []string{"postgres", "nobody"},
		Prepare: func(data string) []string {
			return []string{
				filepath.Join(bin, "initdb"), "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8",
				"--locale=C", "--no-instructions", "--no-sync",
			}
		},
		Run: func(data, port string) []string {
			return []string{
				filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=127.0.0.1", "-p", port,
				"-c", "unix_socket_directories=", "-c", "max_connections=300",
			}
		},
		Ready: startup,
		Stop:  os.Interrupt, // the fast shutdown
		Source: func(address, database string) string {
			return "postgresql://test@" + address + "/" + database + "?sslmode=disable"
		},
	})
}

// startup asks for a session of the database that is always there. A server that is not
// ready answers with an error. https://www.postgresql.org/docs/current/protocol-message-formats.html
func startup(conn net.Conn) error {
	parameters := "user\x00test\x00database\x00template1\x00\x00"
	message := []byte{0, 0, 0, byte(8 + len(parameters)), 0, 3, 0, 0}
	if _, err := conn.Write(append(message, parameters...)); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	if answer[0] != 'R' { // AuthenticationOk
		return errors.New("not ready")
	}
	return nil
}

// binaries returns the folder of initdb and postgres: the newest of Debian's, which are
// not in the path, or that in the path.
func binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if found, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(found))
	}
	for _, dir := range dirs {
		_, errInit := exec.LookPath(filepath.Join(dir, "initdb"))
		_, errServer := exec.LookPath(filepath.Join(dir, "postgres"))
		if errInit == nil && errServer == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w: PostgreSQL", dbserver.ErrNotInstalled)
}

func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}
