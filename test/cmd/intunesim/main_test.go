package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// TestMain lets the test's own executable be the program.
func TestMain(m *testing.M) {
	if os.Getenv("BE_INTUNESIM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "BE_INTUNESIM=1")
	cmd.Stderr = os.Stderr
	return cmd
}

func TestTheProgramServesUntilItIsTerminated(t *testing.T) {
	dir := t.TempDir()
	cmd := program("-addr", "127.0.0.1:0", "-dir", dir, "-tenant", "fabrikam.onmicrosoft.com", "-client", "me", "-secret", "mine",
		"-history", "2", "-delay", "1ms", "-hosts", "login.example,graph.example")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok || !strings.HasPrefix(url, "https://127.0.0.1:") || strings.HasSuffix(url, ":0") {
		t.Fatalf("first line %q", line)
	}
	control, err := intunesim.Dial(url, filepath.Join(dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	form := map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {"me"}, "client_secret": {"mine"}, "scope": {url + "//.default"},
	}
	for range 3 {
		resp, err := control.HTTPClient().PostForm(url+"/fabrikam.onmicrosoft.com/oauth2/v2.0/token", form)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			t.Errorf("token: %s", resp.Status)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if all, err := control.Requests(); err != nil || len(all) != 2 {
		t.Errorf("%d requests remembered, %v", len(all), err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestTheProgramRefusesWhatItCannotDo(t *testing.T) {
	for _, args := range [][]string{{"-addr", "nowhere"}, {"more"}, {"-history", "-1", "-addr", "127.0.0.1:0"}, {"-speed", "1"}} {
		cmd := program(append(args, "-dir", t.TempDir())...)
		if args[0] == "more" {
			cmd = program(args...)
		}
		cmd.Stderr = nil
		if err := cmd.Run(); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
