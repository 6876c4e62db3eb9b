package harness

import (
	"fmt"
	"os"
	"path/filepath"
)

// What the simulator expects unless its flags say otherwise.
const (
	Tenant   = "contoso.onmicrosoft.com"
	ClientID = "11111111-2222-3333-4444-555555555555"
	Secret   = "simulated-secret"
)

// IntuneEntry returns a provisioner of type Intune that talks to the simulator.
// The client secret is written to a file beside the simulator's root.
func IntuneEntry(name string, s *Sim) (map[string]any, error) {
	secretFile := filepath.Join(filepath.Dir(s.RootFile), name+".secret")
	if err := os.WriteFile(secretFile, []byte(Secret+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("writing the secret: %w", err)
	}
	return map[string]any{
		"type":   "Intune",
		"name":   name,
		"claims": oneYear(),
		"intune": map[string]any{
			"tenant":              Tenant,
			"clientID":            ClientID,
			"credential":          map[string]any{"secretFile": secretFile},
			"endpoints":           map[string]any{"login": s.URL, "graph": s.URL + "/", "intune": s.URL + "/"},
			"allowedServiceHosts": []any{"127.0.0.1"},
			"tls":                 map[string]any{"rootCAs": s.RootFile},
		},
	}, nil
}
