// Command intunesim runs the simulator of Microsoft's side of Intune's SCEP
// validation: see package intunesim for what it does and how to steer it.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "intunesim:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		o     intunesim.Options
		hosts string
	)
	flag.StringVar(&o.Addr, "addr", "127.0.0.1:8443", "`address` to listen on; port 0 takes a free one")
	flag.StringVar(&o.Dir, "dir", ".", "`directory` for root.pem, the TLS root to trust, and its key")
	flag.StringVar(&o.Tenant, "tenant", intunesim.DefaultTenant, "directory `name` or id")
	flag.StringVar(&o.ClientID, "client", intunesim.DefaultClientID, "application `id`")
	flag.StringVar(&o.Secret, "secret", intunesim.DefaultSecret, "the application's client `secret`")
	flag.StringVar(&hosts, "hosts", "", "further DNS `names` of the TLS certificate, separated by commas")
	flag.IntVar(&o.History, "history", intunesim.DefaultHistory, "`number` of calls that GET /_sim/requests remembers")
	flag.DurationVar(&o.Delay, "delay", 0, "hold back each answer of Entra ID, Graph and Intune for this `time`")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	o.Hosts = strings.FieldsFunc(hosts, func(r rune) bool { return r == ',' })

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	server, err := intunesim.Start(o)
	if err != nil {
		return err
	}
	fmt.Println("ready", server.URL())
	<-stop
	return server.Close()
}
