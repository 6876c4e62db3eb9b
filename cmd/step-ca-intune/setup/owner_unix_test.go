//go:build unix

package setup

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A CA that runs as its own user could not read what root has written.
func TestFilesOfACAThatIsThereBelongToItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	for name, test := range map[string]struct{ config, key, want int }{
		"a user's":                       {12345, 12345, 12345},
		"a user's who owns ca.json only": {12345, 0, 12345},
		"a user's who owns the key only": {0, 12345, 12345}, // ca.json is root's and read by his group
		"root's":                         {0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			file, password := existing(t, "EC")
			secrets := filepath.Join(filepath.Dir(filepath.Dir(file)), "secrets")
			for path, owner := range map[string]int{file: test.config, filepath.Join(secrets, "intermediate_ca_key"): test.key} {
				if err := os.Chown(path, owner, 23456); err != nil {
					t.Fatal(err)
				}
			}
			p := prepare(t, map[string]string{"existing": file, "provisioner": "second", "password-file": password})
			if err := p.Write(); err != nil {
				t.Fatal(err)
			}
			secret, key := filepath.Join(secrets, "second.secret"), filepath.Join(secrets, "second_scep_key")
			for path, want := range map[string]int{file: test.config, p.guide.backup: test.config, secret: test.want, key: test.want} {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != want || owner.Gid != 23456 {
					t.Errorf("%s belongs to %d:%d", path, owner.Uid, owner.Gid)
				}
			}
			if said := strings.Contains(guideOf(p), "chown <user> "+secret+" "+key+"\n"); said != (test.want == 0) {
				t.Errorf("the guide says %q", guideOf(p))
			}
		})
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
