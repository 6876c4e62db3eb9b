package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// An answer takes the place of what is offered, and an empty one accepts it.
func TestInitAsksAtTheTerminal(t *testing.T) {
	program, dir := build(t, oursPackage), t.TempDir()
	ours, theirs, err := harness.Terminal()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	cmd := exec.CommandContext(t.Context(), program, "init", "--dir", dir, "--kty", "EC")
	cmd.Env = append(os.Environ(), "STEPPATH="+dir, "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	chunks := make(chan string)
	go func() {
		defer close(chunks)
		for buffer := make([]byte, 4096); ; {
			n, err := ours.Read(buffer)
			if err != nil {
				return
			}
			chunks <- string(buffer[:n])
		}
	}()
	all, seen, patience := "", 0, time.After(2*time.Minute)
	wait := func(want string) {
		t.Helper()
		for !strings.Contains(all[seen:], want) {
			select {
			case text, ok := <-chunks:
				if all += text; !ok {
					t.Fatalf("it ends without %q: %q", want, all[seen:])
				}
			case <-patience:
				t.Fatalf("%q is not shown in %q", want, all[seen:])
			}
		}
		seen += strings.Index(all[seen:], want) + len(want)
	}
	for _, step := range []struct{ question, answer string }{
		{"Name of the CA", "Contoso"}, {"devices reach the CA at", "ca.contoso.example"}, {"the CA listens at", ""},
		{"Tenant", "contoso.onmicrosoft.com"}, {"client) id", "11111111-2222-3333-4444-555555555555"}, {"Client secret", "hush-hush"},
		{"Write this?", "y"},
	} {
		wait(step.question)
		if _, err := ours.WriteString(step.answer + "\r"); err != nil {
			t.Fatal(err)
		}
	}
	wait(`"Contoso Root CA"`)
	wait("SCEP server URL   https://ca.contoso.example/scep/intune")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if strings.Contains(all, "hush-hush") {
		t.Error("the secret is shown")
	}
	if text, err := os.ReadFile(filepath.Join(dir, "secrets", "intune.secret")); err != nil || string(text) != "hush-hush\n" {
		t.Errorf("the secret is %q, %v", text, err)
	}
}
