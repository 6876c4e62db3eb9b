package setup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/smallstep/cli-utils/step"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// SecretEnv is the environment variable that may hold the application's client secret.
const SecretEnv = "STEP_CA_INTUNE_SECRET"

// Options are what an operator decides. [Options.Complete] fills in the rest.
type Options struct {
	existing, passwordFile                                       string
	dir, name, dns, address, insecureAddress, statusAddress, kty string
	provisioner, tenant, clientID, secretFile                    string
	cloud, login, graph, resource, rootCAs, proxy                string

	secret intune.Secret
	ask    Asker
	keys   keySource // nil: newKey
}

// Asker asks the operator. It repeats a question until check accepts the answer.
type Asker interface {
	// Ask asks for a value; preset is the answer to an empty line.
	Ask(question, preset string, check func(string) error) (string, error)
	// AskSecret asks for a value that is not shown.
	AskSecret(question string, check func(string) error) (string, error)
}

// Setting is one thing to decide: a flag, and perhaps a question.
type Setting struct {
	// Flag is its name, without dashes.
	Flag string
	// Usage is its line in the help page.
	Usage string
	// Value is where it is kept.
	Value *string

	question string // asked when there is no value; empty: never
	preset   func() string
	check    func(string) error // of a value that is not empty
	required bool
	of       kind
}

// kind says for which CA a setting is.
type kind int

const (
	anyCA kind = iota
	newCA
)

// Settings returns all settings, in the order in which they are asked for.
func (o *Options) Settings() []Setting {
	return []Setting{
		{Flag: "existing", Value: &o.existing, Usage: "the ca.json <file> of a CA that is there: adds the provisioner to it"},
		{Flag: "dir", Value: &o.dir, of: newCA, preset: step.Path, Usage: "the <folder> that the new CA is written into (default: $STEPPATH, or .step in the home folder)"},
		{Flag: "name", Value: &o.name, of: newCA, question: "Name of the CA", preset: always("Devices"), check: checkName,
			Usage: "the <name> of the new CA: its certificates are called \"<name> Root CA\" and \"<name> Intermediate CA\" (default: Devices)"},
		{Flag: "dns", Value: &o.dns, of: newCA, question: "Names and IP addresses that devices reach the CA at, separated by commas", preset: hostname, check: checkNames,
			Usage: "the <names> and IP addresses that devices reach the CA at, separated by commas (default: the name of this machine)"},
		{Flag: "address", Value: &o.address, of: newCA, question: "Address that the CA listens at", preset: always(":443"), check: checkAddress,
			Usage: "the <address> that the new CA serves HTTPS at (default: :443)"},
		{Flag: "insecure-address", Value: &o.insecureAddress, of: newCA, check: checkAddress,
			Usage: "the <address> that the new CA serves SCEP over HTTP at as well (default: none)"},
		{Flag: "status-address", Value: &o.statusAddress, of: newCA, check: checkStatusAddress,
			Usage: "the <address> of the status listener, on this machine, such as 127.0.0.1:9190 (default: none)"},
		{Flag: "kty", Value: &o.kty, of: newCA, preset: always("RSA"), check: checkKeyType,
			Usage: "the <type> of the new CA's keys: RSA, or EC with an RSA certificate for SCEP beside them (default: RSA)"},
		{Flag: "password-file", Value: &o.passwordFile, check: checkReadable,
			Usage: "the <file> with the password of the CA's keys (default: a new one, written beside the keys)"},
		{Flag: "provisioner", Value: &o.provisioner, preset: always("intune"), check: checkProvisioner,
			Usage: "the <name> of the provisioner, which ends the SCEP URL (default: intune)"},
		{Flag: "tenant", Value: &o.tenant, question: "Tenant in Microsoft Entra ID, by name or id", required: true, check: checkTenant,
			Usage: "the tenant in Microsoft Entra ID, by <name> or id"},
		{Flag: "client-id", Value: &o.clientID, question: "Application (client) id", required: true, check: checkUUID,
			Usage: "the application (client) <id> of the app registration"},
		{Flag: "secret-file", Value: &o.secretFile, check: checkReadable,
			Usage: "the <file> with the application's client secret, which is copied (default: the environment variable " + SecretEnv + ")"},
		{Flag: "cloud", Value: &o.cloud, Usage: "Microsoft's <cloud>: public, usgov, dod or china (default: public)"},
		{Flag: "login-endpoint", Value: &o.login, Usage: "the <URL> of Microsoft Entra ID instead of the cloud's"},
		{Flag: "graph-endpoint", Value: &o.graph, Usage: "the <URL> of Microsoft Graph instead of the cloud's"},
		{Flag: "intune-endpoint", Value: &o.resource, Usage: "the <URL> of Intune instead of the cloud's; required in china"},
		{Flag: "root-cas", Value: &o.rootCAs, check: checkCertificates,
			Usage: "the PEM <file> of the roots to trust for the connections to Microsoft (default: the system's)"},
		{Flag: "proxy", Value: &o.proxy, check: checkProxy, Usage: "the <URL> of the proxy on the way to Microsoft (default: the environment's)"},
	}
}

func always(s string) func() string { return func() string { return s } }

func hostname() string {
	name, err := os.Hostname()
	if err != nil || checkNames(name) != nil {
		return ""
	}
	return name
}

// Complete checks what is set and finds out what is not: it asks, or takes what is usual when
// ask is nil. The error names the flag.
func (o *Options) Complete(ask Asker) error {
	o.ask = ask
	if o.keys == nil {
		o.keys = newKey
	}
	for _, s := range o.Settings() {
		if err := o.complete(s); err != nil {
			return flagged(s.Flag, err)
		}
	}
	for _, path := range []*string{&o.dir, &o.existing, &o.passwordFile, &o.rootCAs} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if err := o.readSecret(); err != nil {
		return flagged("secret-file", err)
	}
	return o.checkMicrosoft()
}

func (o *Options) complete(s Setting) (err error) {
	if s.of == newCA && o.existing != "" {
		if *s.Value != "" {
			return errors.New("does not go together with --existing: the CA is there already")
		}
		return nil
	}
	if *s.Value == "" {
		preset := ""
		if s.preset != nil {
			preset = s.preset()
		}
		*s.Value = preset
		if o.ask != nil && s.question != "" {
			if *s.Value, err = o.ask.Ask(s.question, preset, s.accepts); err != nil {
				return err
			}
		}
	}
	*s.Value = strings.TrimSpace(*s.Value)
	return s.accepts(*s.Value)
}

// flagError is a mistake in what the operator decided.
type flagError struct {
	flag string
	err  error
}

func (e *flagError) Error() string { return "--" + e.flag + ": " + e.err.Error() }
func (e *flagError) Unwrap() error { return e.err }

// flagged names the flag to change, unless err does so already.
func flagged(flag string, err error) error {
	if f := (*flagError)(nil); err == nil || errors.As(err, &f) {
		return err
	}
	return &flagError{flag, err}
}

// accepts checks a value.
func (s Setting) accepts(value string) error {
	switch {
	case value == "" && (s.required || s.preset != nil):
		return errors.New("is missing")
	case value != "" && s.check != nil:
		return s.check(value)
	}
	return nil
}
