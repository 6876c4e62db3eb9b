package crash

import (
	"os"
	"path/filepath"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// another returns a second step-ca of the same CA, with a configuration of its own
// in dir and its own addresses.
func another(a *harness.Authority, dir string) (*harness.Authority, error) {
	replica := *a
	replica.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{"ca.json", "password"} {
		content, err := os.ReadFile(a.File(name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	for _, address := range []*string{&replica.Address, &replica.InsecureAddress} {
		var err error
		if *address, err = harness.FreeAddress(); err != nil {
			return nil, err
		}
	}
	return &replica, replica.EditConfig(func(config map[string]any) {
		config["address"], config["insecureAddress"] = replica.Address, replica.InsecureAddress
	})
}
