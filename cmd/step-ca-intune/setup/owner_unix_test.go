//go:build unix

package setup

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A CA that runs as its own user could not read what root has written.
func TestFilesOfACAThatIsThereBelongToItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	file, password := existing(t, "EC")
	if err := os.Chown(file, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	p := prepare(t, map[string]string{"existing": file, "provisioner": "second", "password-file": password})
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(filepath.Dir(filepath.Dir(file)), "secrets")
	for _, path := range []string{file, p.guide.backup, filepath.Join(secrets, "second.secret"), filepath.Join(secrets, "second_scep_key")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 23456 {
			t.Errorf("%s belongs to %d:%d", path, owner.Uid, owner.Gid)
		}
	}
}

// A CA that reads its ca.json as a member of a group could not read it afterwards.
func TestTheModeOfACAThatIsThereIsKeptWhateverTheUmask(t *testing.T) {
	file, password := existing(t, "EC")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	p := prepare(t, map[string]string{"existing": file, "provisioner": "second", "password-file": password})
	before := syscall.Umask(0o077)
	err := p.Write()
	syscall.Umask(before)
	if err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(filepath.Dir(filepath.Dir(file)), "secrets")
	for path, want := range map[string]os.FileMode{file: 0o640, p.guide.backup: 0o640, filepath.Join(secrets, "second.secret"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %#o", path, got)
		}
	}
}
