package setup

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"go.step.sm/crypto/pemutil"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

// maxName keeps "<name> Intermediate CA" within the 64 characters of a common name
// (RFC 5280, appendix A.1: ub-common-name).
const maxName = 64 - len(" Intermediate CA")

func checkName(s string) error {
	switch {
	case len(s) > maxName:
		return fmt.Errorf("%q is longer than %d bytes", s, maxName)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%q holds characters that cannot be printed", s)
	}
	return nil
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	// pathName is a part of a URL that needs no escape.
	pathName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

func checkNames(list string) error {
	for _, name := range names(list) {
		if net.ParseIP(name) == nil && !hostName.MatchString(name) {
			return fmt.Errorf("%q is neither a DNS name nor an IP address", name)
		}
	}
	return nil
}

// names splits a list at its commas.
func names(list string) []string {
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return fmt.Errorf("%q is not an address such as \":443\" or \"192.0.2.1:8443\"", s)
	}
	return nil
}

func checkStatusAddress(s string) error { return status.CheckAddress(s, false) }

func checkKeyType(s string) error {
	if s != "RSA" && s != "EC" {
		return fmt.Errorf("%q is neither RSA nor EC", s)
	}
	return nil
}

func checkProvisioner(s string) error {
	if !pathName.MatchString(s) {
		return fmt.Errorf("%q is not made of letters, digits, dots, dashes and underscores alone: it becomes part of the SCEP URL", s)
	}
	return nil
}

// checkTenant spares the operator further questions; the client of Microsoft's API knows
// better.
func checkTenant(s string) error {
	if !hostName.MatchString(s) {
		return fmt.Errorf("%q is neither the name nor the id of a directory", s)
	}
	return nil
}

func checkUUID(s string) error {
	if uuid.Validate(s) != nil {
		return fmt.Errorf("%q is not an id such as 11111111-2222-3333-4444-555555555555", s)
	}
	return nil
}

func checkReadable(file string) error {
	content, err := os.ReadFile(file)
	if err == nil && strings.TrimSpace(string(content)) == "" {
		err = fmt.Errorf("%s is empty", file)
	}
	return err
}

func checkCertificates(file string) error {
	_, err := pemutil.ReadCertificateBundle(file)
	return err
}

func checkProxy(s string) error {
	_, err := intune.ProxyVia(s, "", "")
	return err
}

// flagOf has the flags for what the client of Microsoft's API calls its fields.
var flagOf = map[string]string{
	"tenant": "tenant", "clientID": "client-id", "cloud": "cloud",
	"endpoints.login": "login-endpoint", "endpoints.graph": "graph-endpoint", "endpoints.intune": "intune-endpoint",
}

// checkMicrosoft lets the client of Microsoft's API check what it is to work with. That
// touches no network.
func (o *Options) checkMicrosoft() error {
	_, err := intune.New(intune.Config{
		Tenant:     o.tenant,
		ClientID:   o.clientID,
		Credential: intune.ClientSecret(o.secret),
		Cloud:      intune.Cloud(o.cloud),
		Endpoints:  intune.Endpoints{Login: o.login, Graph: o.graph, Intune: o.resource},
		CallerInfo: "step-ca-intune",
	})
	if err == nil {
		return nil
	}
	field, text, _ := strings.Cut(err.Error(), ": ")
	if flag, ok := flagOf[field]; ok {
		return flagged(flag, errors.New(text))
	}
	return err
}
