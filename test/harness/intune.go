package harness

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// IntuneEntry returns a provisioner of type Intune for the default tenant, client
// and secret of a simulator. The secret is written to SecretFile.
func IntuneEntry(name string, s *Sim) (map[string]any, error) {
	if err := os.WriteFile(SecretFile(name, s), []byte(intunesim.DefaultSecret+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("writing the secret: %w", err)
	}
	return map[string]any{
		"type":   "Intune",
		"name":   name,
		"claims": oneYear(),
		"intune": map[string]any{
			"tenant":              intunesim.DefaultTenant,
			"clientID":            intunesim.DefaultClientID,
			"credential":          map[string]any{"secretFile": SecretFile(name, s)},
			"endpoints":           map[string]any{"login": s.URL(), "graph": s.URL() + "/", "intune": s.URL() + "/"},
			"allowedServiceHosts": []any{"127.0.0.1"},
			"tls":                 map[string]any{"rootCAs": s.RootFile},
		},
	}, nil
}

// SecretFile is the file of the client secret that [IntuneEntry] writes, beside
// the simulator's root.
func SecretFile(name string, s *Sim) string {
	return filepath.Join(filepath.Dir(s.RootFile), name+".secret")
}
