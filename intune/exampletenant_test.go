package intune_test

import (
	"crypto/tls"
	"log"
	"os"
	"path/filepath"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// exampleTenant is a simulated tenant with an application key in a file.
type exampleTenant struct {
	*intunesim.Server
	secretFile string
	endpoints  intune.Endpoints
	tls        *tls.Config
}

// simulateTenant starts a tenant and lets a device of it make a request.
func simulateTenant() (exampleTenant, []byte) {
	dir, err := os.MkdirTemp("", "intune-example-")
	if err != nil {
		log.Fatal(err)
	}
	secretFile := filepath.Join(dir, "secret")
	if err := os.WriteFile(secretFile, []byte(intunesim.DefaultSecret+"\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	sim, err := intunesim.Start(intunesim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-1"})
	if err != nil {
		log.Fatal(err)
	}
	request, err := device.Windows("CN=device-1", challenge).Build()
	if err != nil {
		log.Fatal(err)
	}
	cfg := simConfig(sim)
	return exampleTenant{sim, secretFile, cfg.Endpoints, cfg.TLS}, request.DER
}

// Close stops the simulator and removes the file.
func (e exampleTenant) Close() {
	_ = e.Server.Close()
	_ = os.RemoveAll(filepath.Dir(e.secretFile))
}
