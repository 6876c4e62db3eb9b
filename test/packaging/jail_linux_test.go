package packaging

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// nobody is the user of the image.
const nobody = 65532

// The image has no shell, no libraries and no root. An empty root directory has even
// less: what serves there serves in the image.
func TestTheCAServesInAnEmptyRootAsAnOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	jail := t.TempDir()
	if err := harness.Build(t.Context(), filepath.Join(jail, filepath.Dir(program)), harness.StepCAIntune); err != nil {
		t.Fatal(err)
	}
	wantStatic(t, filepath.Join(jail, program))
	ca := newCA(t, jail)
	cmd := exec.CommandContext(t.Context(), program, "/ca/ca.json", "--password-file", "/ca/password")
	cmd.Env, cmd.Dir = []string{"STEPPATH=/etc/step-ca", "HOME=/home/nonroot", "SECRET=not asked for"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: jail, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL,
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serves := answers(ca.Address)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil || !serves || !strings.Contains(output.String(), "Intune provisioner ready") {
		t.Errorf("it answers: %t, %v\n%s", serves, err, &output)
	}
}

func wantStatic(t *testing.T, file string) {
	t.Helper()
	binary, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a loader, and with it a libc")
		}
	}
}

// newCA makes a CA with an Intune provisioner in the folder /ca of a jail.
func newCA(t *testing.T, jail string) *harness.Authority {
	t.Helper()
	folder := filepath.Join(jail, "ca")
	ca, err := harness.NewCA(folder, harness.Options{
		Database: harness.Badger,
		Provisioners: []map[string]any{{"type": "Intune", "name": "intune", "intune": map[string]any{
			"tenant": "contoso.onmicrosoft.com", "clientID": "11111111-2222-3333-4444-555555555555",
			"credential": map[string]any{"secretEnv": "SECRET"},
		}}},
		Edit: func(config map[string]any) {
			for _, key := range []string{"root", "crt", "key"} {
				config[key] = strings.TrimPrefix(config[key].(string), jail)
			}
			config["db"].(map[string]any)["dataSource"] = "/ca/db"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// answers waits until somebody listens at an address.
func answers(address string) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}
