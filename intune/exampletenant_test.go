package intune_test

import (
	"crypto/tls"
	"errors"
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
	stopOn(err)
	secretFile := filepath.Join(dir, "secret")
	stopOn(os.WriteFile(secretFile, []byte(intunesim.DefaultSecret+"\n"), 0o600))
	sim, err := intunesim.Start(intunesim.Options{})
	stopOn(err)
	challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-1"})
	stopOn(err)
	request, err := device.Windows("CN=device-1", challenge).Build()
	stopOn(err)
	cfg := simConfig(sim)
	return exampleTenant{sim, secretFile, cfg.Endpoints, cfg.TLS}, request.DER
}

// Close stops the simulator and removes the file.
func (e exampleTenant) Close() {
	_ = e.Server.Close()
	_ = os.RemoveAll(filepath.Dir(e.secretFile))
}

// stopOn ends the program with an error, and with advice where there is one.
func stopOn(err error) {
	if refusal, ok := errors.AsType[*intune.ServiceError](err); ok {
		log.Fatal(refusal, " ", refusal.Advice)
	} else if err != nil {
		log.Fatal(err)
	}
}
