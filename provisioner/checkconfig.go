package provisioner

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/logging"
)

// configuration reads ca.json as step-ca and the plugin do.
func (x *examination) configuration() {
	x.area = "ca.json"
	conf, err := config.LoadConfiguration(x.File)
	switch {
	case err != nil:
		x.problem("Correct this value: step-ca does not start with it.", "step-ca cannot read it: %v", err)
	default:
		x.conf = conf
		x.hideSecrets()
		if err := conf.Validate(); err != nil {
			x.problem("Correct this value: step-ca does not start with it.", "step-ca refuses it: %v", err)
		} else {
			x.ok("step-ca reads %s", x.File)
		}
		if len(conf.Logger) > 0 {
			if _, err := logging.New("ca", conf.Logger); err != nil {
				x.problem("Correct logger in ca.json.", "logger: %v", err)
			}
		}
	}
	entries, err := readEntries(x.File)
	x.mistakes(err)
	x.sharedNames()
	x.intune = intuneOnly(entries)
	x.neighbours = x.written()
	if len(x.intune) == 0 {
		x.problem("Add one; if there was one, take it from a copy of ca.json: step ca provisioner add, run offline, drops entries that it does not know.",
			"there is no provisioner of type Intune")
		return
	}
	if err == nil {
		x.ok("%d of %d provisioners of type Intune", len(x.intune), len(entries))
	}
}

// sharedNames looks at the provisioners that are not ours: step-ca starts with no name twice.
func (x *examination) sharedNames() {
	if x.conf == nil {
		return
	}
	seen := map[string]bool{}
	for _, p := range x.conf.AuthorityConfig.Provisioners {
		if seen[p.GetName()] {
			x.problem("Give each provisioner a name of its own.", "two provisioners have the name %q: step-ca does not start", p.GetName())
		}
		seen[p.GetName()] = true
	}
}

// written are the provisioners in ca.json that are not ours.
func (x *examination) written() []neighbour {
	if x.conf == nil {
		return nil
	}
	return slices.DeleteFunc(neighboursIn(x.conf), func(n neighbour) bool {
		return slices.ContainsFunc(x.intune, func(e rawEntry) bool { return e.name == n.name }) // uniqueNames has said so
	})
}

// passwordIn finds it in the address of a database: user:password@ or password=….
var passwordIn = regexp.MustCompile(`:([^:@/]+)@|(?i:password)\s*=\s*'?([^\s'&]+)`)

// hideSecrets notes what is secret in the configuration itself.
func (x *examination) hideSecrets() {
	x.hide(x.conf.Password)
	if db := x.conf.DB; db != nil && isServer(db.Type) {
		x.hide(db.DataSource)
		for _, m := range passwordIn.FindAllStringSubmatch(db.DataSource, -1) {
			plain, _ := url.QueryUnescape(m[1] + m[2])
			x.hide(m[1]+m[2], plain)
		}
	}
	if x.conf.KMS != nil {
		x.hide(x.conf.KMS.Pin, x.conf.KMS.URI)
	}
	for _, p := range x.conf.AuthorityConfig.Provisioners {
		if s, ok := p.(*provisioner.SCEP); ok {
			x.hide(s.ChallengePassword, s.DecrypterKeyPassword)
		}
	}
}

// statusListener looks at the `intune` object at the top level.
func (x *examination) statusListener() {
	x.area = "status listener"
	s, err := readStatusSettings(x.File)
	switch {
	case !x.mistakes(err):
	case s.StatusAddress == "":
	case s.StatusAllowRemote:
		x.warn("Let a firewall keep others than your monitoring away from it, or remove intune.statusAllowRemote.",
			"intune.statusAddress %s: other machines may read the status, without a password", s.StatusAddress)
	default:
		x.ok("intune.statusAddress %s: this machine alone reads the status", s.StatusAddress)
	}
}

// addresses looks at how devices reach the CA.
func (x *examination) addresses() {
	host, _, err := net.SplitHostPort(x.conf.Address)
	if err != nil {
		return // step-ca refuses it
	}
	if insecure, _, err := net.SplitHostPort(x.conf.InsecureAddress); err == nil && isLocal(host) && !isLocal(insecure) {
		x.warn("Let address in ca.json be one that devices reach, or put a proxy with HTTPS in front; Android takes no SCEP URL with http.",
			"devices reach SCEP over HTTP only: address %q is this machine's own, insecureAddress %q is not", x.conf.Address, x.conf.InsecureAddress)
	}
	if !hasOutsideName(x.conf.DNSNames) {
		x.warn("Add the name by which devices reach the CA to dnsNames in ca.json.",
			"dnsNames has names of this machine only: %s", strings.Join(x.conf.DNSNames, ", "))
	}
}

func hasOutsideName(names []string) bool {
	for _, n := range names {
		if !isLocal(n) {
			return true
		}
	}
	return false
}

// isLocal reports whether a host is this machine's loopback.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
