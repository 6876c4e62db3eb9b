package intune_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNothingOfStepCAIsInside keeps the package usable by any SCEP server.
func TestNothingOfStepCAIsInside(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	own := 0
	for pkg := range strings.FieldsSeq(string(out)) {
		for _, forbidden := range []string{"github.com/smallstep/", "go.step.sm/", "github.com/go-chi/", "github.com/step-ca-intune/"} {
			if strings.HasPrefix(pkg, forbidden) && !strings.HasSuffix(pkg, "/step-ca-intune/intune") {
				t.Errorf("it imports %s", pkg)
			}
		}
		if strings.HasSuffix(pkg, "/step-ca-intune/intune") {
			own++
		}
	}
	if own != 1 {
		t.Error("go list did not list this package")
	}
}
