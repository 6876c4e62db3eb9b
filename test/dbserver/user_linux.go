package dbserver

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// ordinaryUser says as whom the server runs: neither PostgreSQL nor MariaDB wants to be
// root. It makes dir that user's.
func ordinaryUser(dir string, names []string) (*syscall.SysProcAttr, error) {
	// The server dies with the test, however that ends.
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUser := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGroup := strconv.ParseUint(u.Gid, 10, 32)
		if errUser != nil || errGroup != nil {
			continue
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, os.Chown(dir, int(uid), int(gid))
	}
	return nil, fmt.Errorf("%w: it does not run as root, and there is no user %s", ErrNotInstalled, strings.Join(names, " or "))
}
