package provisioner

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/logging"
	"go.step.sm/crypto/kms"
	kmsapi "go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/pemutil"
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

// authority looks at the issuing CA.
func (x *examination) authority(ctx context.Context) {
	x.area = "CA"
	var typ apiv1.Type
	if o := x.conf.AuthorityConfig.Options; o != nil {
		typ = apiv1.Type(o.Type)
	}
	typ = apiv1.Type(typ.String())
	x.mistakes(suitable(x.conf, typ, x.intune))
	x.statusListener()
	if typ != apiv1.SoftCAS {
		return
	}
	x.certificates()
	x.key(ctx)
	for _, name := range x5cTrusting(x.conf, append(x.roots, x.chain...)) {
		x.warn("Remove this CA's certificates from the roots of that provisioner, unless every device shall get other certificates through it.",
			"the X5C provisioner %q trusts this CA: every device with a certificate of an Intune provisioner can get others through it", name)
	}
	x.addresses()
}

// statusListener looks at the `intune` object at the top level.
func (x *examination) statusListener() {
	area := x.area
	defer func() { x.area = area }()
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

// certificates reads the chain and the roots.
func (x *examination) certificates() {
	const advice = "Correct root or crt in ca.json."
	for _, file := range x.conf.Root {
		roots, err := pemutil.ReadCertificateBundle(file)
		if err != nil {
			x.problem(advice, "root: %v", err)
		}
		x.roots = append(x.roots, roots...)
	}
	var err error
	if x.chain, err = pemutil.ReadCertificateBundle(x.conf.IntermediateCert); err != nil {
		x.problem(advice, "crt: %v", err)
		return
	}
	issuer := x.chain[0]
	if !x.valid("the issuing CA", issuer) {
		return
	}
	if !issuer.IsCA {
		x.problem("Put the certificate of the issuing CA first in the file that crt names.", "%s is no certificate of a CA", nameOf(issuer))
		return
	}
	pool, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range x.roots {
		pool.AddCert(c)
	}
	for _, c := range x.chain[1:] {
		between.AddCert(c)
	}
	if _, err := issuer.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		x.problem("Name the root that issued it as root in ca.json, and put the certificates between them into the file that crt names.",
			"%s does not lead to the CA's root: %v", nameOf(issuer), err)
		return
	}
	if _, err := newNameConstraints(append(x.roots, x.chain...)...); err != nil {
		x.problem("Correct the name constraints of the CA's certificates.", "%v", err)
	}
	x.ok("issuing CA %s, %s, until %s", nameOf(issuer), keyKind(issuer), issuer.NotAfter.Format("2006-01-02"))
}

// key opens the key of the issuing CA, without asking anybody for a password.
func (x *examination) key(ctx context.Context) {
	x.readPassword()
	var options kmsapi.Options
	if x.conf.KMS != nil {
		options = *x.conf.KMS
	}
	manager, err := kms.New(ctx, options)
	if err != nil {
		x.problem("Correct kms in ca.json, and let the user that runs step-ca use it.", "kms cannot be opened: %v", withoutKey(err, options.URI))
		return
	}
	defer manager.Close()
	key := x.conf.IntermediateKey
	signer, err := manager.CreateSigner(&kmsapi.CreateSignerRequest{
		SigningKey: key, Password: x.password, PasswordPrompter: kmsapi.NonInteractivePasswordPrompter,
	})
	switch {
	case errors.Is(err, kmsapi.ErrNonInteractivePasswordPrompt):
		x.warn("Give --password-file as you give it to step-ca.", "the CA's key is encrypted: it was not opened")
		return
	case err != nil:
		x.problem("Check key in ca.json, the password, and that the user that runs step-ca may read and use the key.",
			"the CA's key cannot be opened: %v", withoutKey(err, key))
		return
	}
	if len(x.chain) > 0 && !sameKey(signer.Public(), x.chain[0].PublicKey) {
		x.problem("Let crt and key in ca.json name a certificate and the key that belongs to it.", "the CA's key is not that of %s", nameOf(x.chain[0]))
		return
	}
	x.signer = signer
	x.ok("the CA's key can be opened")
	if d, ok := manager.(kmsapi.Decrypter); ok {
		x.decrypter, _ = d.CreateDecrypter(&kmsapi.CreateDecrypterRequest{
			DecryptionKey: key, Password: x.password, PasswordPrompter: kmsapi.NonInteractivePasswordPrompter,
		})
	}
}

// readPassword reads the password of the CA's key where step-ca would.
func (x *examination) readPassword() {
	if x.conf.Password != "" {
		x.password = []byte(x.conf.Password)
	}
	if x.PasswordFile == "" {
		return
	}
	content, err := os.ReadFile(x.PasswordFile)
	if err != nil {
		x.problem("Let the user that runs step-ca read the file, and nobody else.", "the password file cannot be read: %v", err)
		return
	}
	x.password = []byte(strings.TrimRightFunc(string(content), unicode.IsSpace))
	x.hide(string(x.password))
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
