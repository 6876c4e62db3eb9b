package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// refuseOverwrite makes sure that what is to be written is not there yet.
func (p *Plan) refuseOverwrite(flag string) error {
	paths := make([]string, 0, len(p.files)+1)
	for _, f := range p.files {
		paths = append(paths, f.path)
	}
	if p.old == nil {
		paths = append(paths, p.config)
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return flagged(flag, fmt.Errorf("%s is there already, and nothing is overwritten", path))
		}
	}
	for _, folder := range p.folders {
		if entries, err := os.ReadDir(folder); err == nil && len(entries) > 0 {
			return flagged(flag, fmt.Errorf("the folder %s is not empty, and nothing is overwritten", folder))
		}
	}
	return nil
}

// Write writes the files, ca.json as the last one: without it there is no CA, and a CA that
// is there goes on as before. An error says what was written until then.
func (p *Plan) Write() error {
	var written []string
	if err := p.write(&written); err != nil {
		if len(written) > 0 {
			err = fmt.Errorf("%w\nWritten until then, to be removed before the next try:\n  %s", err, strings.Join(written, "\n  "))
		}
		return err
	}
	return nil
}

func (p *Plan) write(written *[]string) error {
	like, err := p.owner()
	if err != nil {
		return err
	}
	for _, folder := range p.folders {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	for _, f := range p.files {
		mode := fs.FileMode(0o600)
		if f.public {
			mode = 0o644
		}
		if err := writeNew(f.path, f.content, mode, like); err != nil {
			return err
		}
		*written = append(*written, f.path)
	}
	if p.old == nil {
		return writeNew(p.config, p.new, 0o600, nil)
	}
	p.guide.private = p.ofRoot()
	return p.replaceConfig()
}

// owner returns whose the new files of an existing CA are, or a CA that runs as its own user
// could not read what root has written: those of the user whose file its key is. root's may
// be read by a group, as may its ca.json; then ca.json says whose they are.
func (p *Plan) owner() (fs.FileInfo, error) {
	if p.old == nil {
		return nil, nil
	}
	if key, err := os.Stat(p.caKey); err == nil && !isRoots(key) {
		return key, nil
	}
	return os.Stat(p.config)
}

// ofRoot returns the new files that only root can read, who may not be the CA's user.
func (p *Plan) ofRoot() (paths []string) {
	for _, f := range p.files {
		if info, err := os.Stat(f.path); err == nil && !f.public && isRoots(info) {
			paths = append(paths, f.path)
		}
	}
	return paths
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte, mode fs.FileMode, like fs.FileInfo) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	if like != nil { // the umask of who runs this is not that of the CA
		if err := errors.Join(chownLike(f, like), f.Chmod(mode)); err != nil {
			return err
		}
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

// replaceConfig keeps the old ca.json beside the new one.
func (p *Plan) replaceConfig() error {
	like, err := os.Stat(p.config)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(p.config)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, p.old) {
		return fmt.Errorf("%s was changed meanwhile; try again", p.config)
	}
	stamp := time.Now().UTC().Format("20060102T150405Z")
	backup, fresh := p.config+"."+stamp+".old", p.config+"."+stamp+".new"
	if err := writeNew(fresh, p.new, like.Mode().Perm(), like); err != nil {
		return err
	}
	if err := writeNew(backup, p.old, like.Mode().Perm(), like); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	if err := os.Rename(fresh, p.config); err != nil {
		return errors.Join(err, os.Remove(fresh), os.Remove(backup))
	}
	p.guide.backup = backup
	return nil
}
