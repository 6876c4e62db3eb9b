//go:build !unix

package setup

import (
	"io/fs"
	"os"
)

func isRoots(fs.FileInfo) bool { return false }

func chownLike(*os.File, fs.FileInfo) error { return nil }
