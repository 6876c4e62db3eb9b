//go:build unix

package setup

import (
	"io/fs"
	"os"
	"syscall"
)

// isRoots reports whether a file belongs to root.
func isRoots(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == 0
}

// chownLike gives an open file to the owner of another one. Only root can do that; for others
// the file stays theirs.
func chownLike(f *os.File, like fs.FileInfo) error {
	if like == nil || os.Geteuid() != 0 {
		return nil
	}
	owner, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
