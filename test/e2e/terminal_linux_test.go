package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// answer is what somebody at a terminal types when a question is shown.
type answer struct{ question, text string }

// atTerminal runs a command at a terminal, to its end. Questions come in the order of the
// answers; those that are not asked are passed over.
func atTerminal(t *testing.T, cmd *exec.Cmd, answers []answer) (output string, err error) {
	t.Helper()
	ours, theirs, err := harness.Terminal()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for buffer := make([]byte, 4096); ; {
		n, err := ours.Read(buffer)
		if err != nil {
			break // the command has ended
		}
		output += string(buffer[:n])
		// A question is shown again with each letter that is typed: it is answered once.
		for i, a := range answers {
			if strings.Contains(output[seen:], a.question) {
				if _, err := ours.WriteString(a.text + "\r"); err != nil {
					t.Error(err)
				}
				answers, seen = answers[i+1:], len(output)
				break
			}
		}
	}
	return output, cmd.Wait()
}
