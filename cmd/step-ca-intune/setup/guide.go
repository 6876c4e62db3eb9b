package setup

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"go.step.sm/crypto/x509util"
)

// guide is what [Plan.Guide] needs to know.
type guide struct {
	tenant, clientID           string
	provisioner                string
	root, intermediate         *x509.Certificate
	rootFile, intermediateFile string
	secretFile                 string // that the client secret was copied from
	passwordFile, backup       string
	rootKey                    string   // of a new CA
	private                    []string // files that only root can read, of a CA that may not run as root
	hasStatus                  bool
	names                      []string
	address, insecureAddress   string
}

// Guide tells what comes next: how to start the CA, and what to enter in Microsoft's
// consoles.
func (p *Plan) Guide(w io.Writer) {
	g := p.guide
	start := "Start it:"
	if g.backup != "" {
		fmt.Fprintf(w, "The old configuration is kept as %s\n\n", g.backup)
		if len(g.private) > 0 {
			fmt.Fprintf(w, "These files are root's alone. If the CA runs as another user, make it their owner:\n  chown <user> %s\n\n", quoteAll(g.private))
		}
		start = "Stop the CA, and start it with this program instead of step-ca, its flags as before:"
	}
	arguments := passwordFlag(g.passwordFile) + quote(p.config)
	fmt.Fprintf(w, "Check the CA:\n  step-ca-intune check %s\n%s\n  step-ca-intune %s\n", arguments, start, arguments)
	if g.hasStatus {
		fmt.Fprintf(w, "See what it does:\n  step-ca-intune status %s\n", quote(p.config))
	}
	if g.rootKey != "" {
		fmt.Fprintf(w, "The CA does not need the root key: move %s to a safe place, with a copy of the password.\n", g.rootKey)
	}
	if g.secretFile != "" {
		fmt.Fprintf(w, "The CA has a copy of the client secret: remove %s.\n", g.secretFile)
	}
	fmt.Fprintf(w, `
Microsoft Entra ID, tenant %s, app registration %s
  API permissions, of type Application, with admin consent:
    Microsoft Graph   Application.Read.All
    Intune            scep_challenge_provider

Intune, for each platform
  Trusted certificate profile, assigned to the same groups as the SCEP profile:
    Certificate       %s
                      %q, SHA-256 %s
  A second one, for the intermediate store where the platform has a choice:
    Certificate       %s
                      %q, SHA-256 %s
  SCEP certificate profile:
    Root certificate  the first trusted certificate profile
    Validity period   1 year
    Key usage         Digital signature and Key encipherment
    Key size          2048 bits
    Hash algorithm    SHA-2
    Extended key usage  Client Authentication, 1.3.6.1.5.5.7.3.2
    SCEP server URL   %s
`, g.tenant, g.clientID,
		g.rootFile, g.root.Subject.CommonName, x509util.Fingerprint(g.root),
		g.intermediateFile, g.intermediate.Subject.CommonName, x509util.Fingerprint(g.intermediate),
		strings.Join(g.urls(), "\n                      "))
	fmt.Fprint(w, `
Where a proxy stands in front of the CA, its name belongs into the URL. Android takes https only, with a
certificate that it trusts already.
`)
}

// urls are the addresses of the provisioner, HTTPS first.
func (g *guide) urls() []string {
	var all []string
	for _, server := range []struct{ scheme, address, port string }{{"https", g.address, "443"}, {"http", g.insecureAddress, "80"}} {
		_, port, err := net.SplitHostPort(server.address)
		if err != nil || len(g.names) == 0 {
			continue
		}
		host := net.JoinHostPort(g.names[0], port)
		if port == server.port {
			host = strings.TrimSuffix(host, ":"+port)
		}
		u := url.URL{Scheme: server.scheme, Host: host, Path: "/scep/" + g.provisioner}
		all = append(all, u.String())
	}
	return all
}

func passwordFlag(file string) string {
	if file == "" {
		return ""
	}
	return "--password-file " + quote(file) + " "
}

func quoteAll(paths []string) string {
	var all []string
	for _, path := range paths {
		all = append(all, quote(path))
	}
	return strings.Join(all, " ")
}

// quote makes a path fit for a shell.
func quote(path string) string {
	if strings.ContainsAny(path, " '\"$\\`&;()<>|*?") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
