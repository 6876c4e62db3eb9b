// Package mariadb runs a MariaDB server for tests, from the binaries that Debian's package
// mariadb-server installs. It is what Debian has for MySQL.
package mariadb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"syscall"

	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
)

// Start runs a new, empty server. The error is [dbserver.ErrNotInstalled] when there is
// none to run.
func Start(ctx context.Context) (*dbserver.Server, error) {
	install, err := find("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	server, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	// No test needs what outlives a crash of the server: nobody waits for the disk.
	const fast = "--debug-no-sync"
	return dbserver.Start(ctx, dbserver.Program{
		Name: "MariaDB", Driver: nosql.MySQLDriver, Users: []string{"mysql", "nobody"},
		Prepare: func(data string) []string {
			return []string{
				install, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal",
				"--skip-test-db", fast,
			}
		},
		Run: func(data, port string) []string {
			return []string{
				server, "--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + port,
				"--socket=" + data + "/socket", "--pid-file=" + data + "/pid", "--max-connections=300", fast,
			}
		},
		Ready:  greeting,
		Stop:   syscall.SIGTERM,
		Source: func(address, database string) string { return "root@tcp(" + address + ")/" + database },
	})
}

// greeting waits for what a server says first: a packet with the version of the protocol,
// or with an error. https://mariadb.com/kb/en/connection/
func greeting(conn net.Conn) error {
	packet := make([]byte, 5)
	if _, err := io.ReadFull(conn, packet); err != nil {
		return err
	}
	if packet[4] != 10 {
		return errors.New("not ready")
	}
	return nil
}

// find looks in the path, and where Debian has servers, which is not in everybody's.
func find(program string) (string, error) {
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: MariaDB, whose %s is missing", dbserver.ErrNotInstalled, program)
}
