package harness

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"

	"go.step.sm/crypto/pemutil"
)

// config returns the content of ca.json.
func (a *Authority) config(o Options) (map[string]any, error) {
	provisioners := make([]any, len(o.Provisioners))
	for i, p := range o.Provisioners {
		p = maps.Clone(p)
		if err := a.addDecrypter(p); err != nil {
			return nil, err
		}
		provisioners[i] = p
	}
	config := map[string]any{
		"address":         a.Address,
		"insecureAddress": a.InsecureAddress,
		"dnsNames":        []any{"127.0.0.1", "localhost"},
		"root":            a.File("root.crt"),
		"crt":             a.File("intermediate.crt"),
		"key":             a.File("intermediate.key"),
		"logger":          map[string]any{"format": "json"},
		"authority":       map[string]any{"provisioners": provisioners},
	}
	if o.Database != NoDatabase {
		config["db"] = map[string]any{"type": string(o.Database), "dataSource": a.File("db")}
	}
	if o.Edit != nil {
		o.Edit(config)
	}
	return config, nil
}

// addDecrypter gives a provisioner for SCEP the decrypter, when the CA has one.
func (a *Authority) addDecrypter(provisioner map[string]any) error {
	if a.decrypter == nil || (provisioner["type"] != "SCEP" && provisioner["type"] != "Intune") {
		return nil
	}
	key, err := pemutil.Serialize(a.decrypter.key)
	if err != nil {
		return err
	}
	provisioner["decrypterCertificate"] = certificatePEM(a.decrypter.certificate)
	provisioner["decrypterKeyPEM"] = pem.EncodeToMemory(key)
	return nil
}

func (a *Authority) writeConfig(config map[string]any, err error) error {
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(a.File("ca.json"), text, 0o600)
}

// EditConfig changes ca.json, for a start or a reload to come.
func (a *Authority) EditConfig(edit func(config map[string]any)) error {
	text, err := os.ReadFile(a.File("ca.json"))
	if err != nil {
		return fmt.Errorf("editing the configuration: %w", err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("editing the configuration: %w", err)
	}
	edit(config)
	return a.writeConfig(config, nil)
}

// Provisioner returns an entry of a configuration by its name.
func Provisioner(config map[string]any, name string) map[string]any {
	for _, p := range config["authority"].(map[string]any)["provisioners"].([]any) {
		if entry := p.(map[string]any); entry["name"] == name {
			return entry
		}
	}
	return nil
}

// SCEPEntry returns an ordinary SCEP provisioner with a static challenge.
func SCEPEntry(name, challenge string) map[string]any {
	return map[string]any{
		"type": "SCEP", "name": name, "challenge": challenge,
		"encryptionAlgorithmIdentifier": 2, // AES-256-CBC
		"claims":                        oneYear(),
	}
}

func oneYear() map[string]any {
	return map[string]any{"defaultTLSCertDuration": "8760h", "maxTLSCertDuration": "8760h"}
}
