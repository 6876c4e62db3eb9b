package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// documented is a CA as the documents show one, with a device that has a certificate and
// a dead report.
type documented struct {
	*made
	status string // address of the listener
}

func newDocumented(t *testing.T) *documented {
	t.Helper()
	address, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	d := &documented{newMade(t), address}
	d.init(append(d.fresh(), "--status-address", address)...)
	d.edit(func(authority map[string]any) {
		authority["policy"] = map[string]any{"x509": map[string]any{"deny": map[string]any{"dns": []string{"denied.example"}}}}
	})
	d.start()
	d.enrolOverTLS()
	d.fault(intunesim.Fault{Operation: intunesim.OpFailure, Code: "BadDeviceIdInChallenge"})
	d.deadReport()
	return d
}

// edit changes the authority in ca.json.
func (d *documented) edit(change func(authority map[string]any)) {
	d.Helper()
	a := harness.Authority{Dir: filepath.Dir(d.config())}
	if err := a.EditConfig(func(config map[string]any) { change(config["authority"].(map[string]any)) }); err != nil {
		d.Fatal(err)
	}
}

// remove stops the CA and removes its Intune provisioner on purpose.
func (d *documented) remove() {
	d.Helper()
	if _, err := d.ca.Stop(); err != nil {
		d.Fatal(err)
	}
	d.edit(func(authority map[string]any) { authority["provisioners"] = []any{} })
}

// deadReport returns the id of a dead report. Intune refuses each that is tried again.
func (d *documented) deadReport() (id string) {
	d.Helper()
	d.eventually("a dead report", func() bool {
		_, list := d.run("reports", "list", "--address", d.status)
		if strings.HasPrefix(list, "There are no reports") {
			d.denied("denied")
		}
		if ids := deadIn(list); len(ids) > 0 {
			id = ids[0]
		}
		return id != ""
	})
	return id
}

// before makes what is there before init: the file of the secret, and perhaps a CA of step's
// own, whose password it returns.
func (d *documented) before(folder string, existing bool) (password string) {
	d.Helper()
	if existing {
		other := *d.made
		other.folder = folder
		other.stepCA()
		text, err := os.ReadFile(other.password)
		if err != nil {
			d.Fatal(err)
		}
		password = strings.TrimSpace(string(text))
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "secret.txt"), []byte(intunesim.DefaultSecret+"\n"), 0o600); err != nil {
		d.Fatal(err)
	}
	return password
}
