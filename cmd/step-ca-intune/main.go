// Command step-ca-intune is step-ca with the provisioner type Intune: the same flags, the
// same ca.json, the same plugins.
package main

import (
	"fmt"
	"log"
	"net/http"
	_ "net/http/pprof" // served where STEP_PROF_ADDR says, as by step-ca
	"os"
	"time"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/cli-utils/step"
	"github.com/smallstep/cli-utils/ui"
	"go.step.sm/crypto/pemutil"

	"github.com/step-ca-intune/step-ca-intune/provisioner"
)

func main() {
	if err := step.Init(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ui.Init()
	v := readVersion()
	step.Set("step-ca-intune", v.ours, v.built)
	authority.GlobalVersion.Version = v.stepCA
	pemutil.PromptPassword = func(msg string) ([]byte, error) { return ui.PromptPassword(msg) }
	serveProfiles(os.Getenv("STEP_PROF_ADDR"))

	plugin := provisioner.Register(v.ours)
	err := newApp(v).Run(os.Args)
	plugin.Stop()
	ui.Reset()
	if err != nil {
		format := "%v\n"
		if os.Getenv("STEPDEBUG") == "1" {
			format = "%+v\n" // with the stack, as step-ca
		}
		fmt.Fprintf(os.Stderr, format, err)
		os.Exit(1)
	}
}

// serveProfiles serves net/http/pprof on addr, if there is one.
func serveProfiles(addr string) {
	if addr == "" {
		return
	}
	server := &http.Server{Addr: addr, ReadHeaderTimeout: 15 * time.Second}
	go func() { log.Println(server.ListenAndServe()) }()
}
