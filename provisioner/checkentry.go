package provisioner

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
)

const year = 365 * 24 * time.Hour

// provisioner looks at one Intune entry.
func (x *examination) provisioner(ctx context.Context, r *rawEntry) {
	x.area = areaOf(r.name)
	var issuer *x509.Certificate
	if len(x.chain) > 0 {
		issuer = x.chain[0]
	}
	hasDatabase := x.conf != nil && x.conf.DB != nil
	e, err := newEntry(r, issuer, hasDatabase, slog.New(slog.DiscardHandler), x.Version)
	x.hide(e.scep.DecrypterKeyPassword)
	if x.mistakes(err) {
		x.ok("its settings are complete")
	}
	if x.conf != nil && e.scep.Name != "" {
		x.scep(e.scep, issuer)
		x.url(r.name)
	}
	if e.queued {
		x.warn("Set intune.reporting to strict, unless devices must enrol while Intune does not answer.",
			"reporting is queued: a device can have a certificate before Intune knows of it, which is not Microsoft's rule")
	}
	if c, ok := e.client.(intuneChecker); ok && !x.Offline {
		x.microsoft(ctx, c, r)
	}
}

// scep looks at what step-ca makes of an entry.
func (x *examination) scep(p *provisioner.SCEP, issuer *x509.Certificate) {
	claimer, err := provisioner.NewClaimer(x.conf.AuthorityConfig.Claims, config.GlobalProvisionerClaims)
	if err != nil {
		x.problem("Correct authority.claims in ca.json.", "authority.claims: %v", err)
		return
	}
	if err := p.Init(provisioner.Config{Claims: claimer.Claims(), Audiences: x.conf.GetAudiences()}); err != nil {
		err = withoutKey(err, p.DecrypterKeyURI)
		x.problem(adviceFor("", err), "step-ca cannot serve it: %v", err)
		return
	}
	x.claims(p.DefaultTLSCertDuration(), issuer)
	x.cipher(p.EncryptionAlgorithmIdentifier)
	if issuer != nil {
		x.decryption(p, issuer)
	}
}

// claims compares the life of a certificate with what Intune's profiles ask for.
func (x *examination) claims(life time.Duration, issuer *x509.Certificate) {
	if life < year {
		x.warn(`Set claims.defaultTLSCertDuration and claims.maxTLSCertDuration of the entry to "8760h".`,
			"certificates are valid for %g hours, and Intune's profiles ask for a year", life.Hours())
	} else {
		x.ok("certificates are valid for %d days", life/(24*time.Hour))
	}
	if issuer != nil && time.Now().Add(life).After(issuer.NotAfter) {
		x.warn("Renew the issuing CA in time.", "certificates outlive the issuing CA, which ends on %s", issuer.NotAfter.Format("2006-01-02"))
	}
}

// cipher looks at smallstep/pkcs7's number of an algorithm.
func (x *examination) cipher(id int) {
	const advice = "Leave out encryptionAlgorithmIdentifier, or set it to 2, AES-256-CBC."
	switch id {
	case 0:
		x.warn(advice, "answers to devices are encrypted with DES, which is broken")
	case 1:
		x.ok("answers to devices are encrypted with AES-128-CBC")
	case aes256CBC:
		x.ok("answers to devices are encrypted with AES-256-CBC")
	default:
		x.warn(advice, "answers to devices are encrypted with AES-GCM, which hardly any SCEP client reads")
	}
}

// decryption looks at the chain that SCEP clients will get, and tries whether the CA can
// decrypt what they encrypt to it.
func (x *examination) decryption(p *provisioner.SCEP, issuer *x509.Certificate) {
	certificate, decrypter := p.GetDecrypter()
	if certificate == nil && hasRSAKey(issuer) {
		x.issuerUsage(issuer)
	}
	switch {
	case certificate != nil:
		if !x.decrypterCertificate(certificate, issuer) {
			return
		}
	case !hasRSAKey(issuer):
		return // newEntry has said so
	case x.signer == nil:
		x.presented(p, nil)
		return // without the CA's key there is nothing to try
	case x.decrypter == nil:
		x.problem(makeDecrypter, "the CA's key cannot decrypt, so no device can send its request")
		return
	default:
		decrypter = x.decrypter
	}
	if decrypter != nil {
		if err := decrypts(decrypter); err != nil {
			x.problem("Let the user that runs step-ca decrypt with the key, or set another decrypterCertificate and decrypterKey.",
				"what devices encrypt cannot be decrypted: %v", withoutKey(err, p.DecrypterKeyURI))
			return
		}
	}
	x.presented(p, certificate)
}

// issuerUsage looks at a CA that answers SCEP requests itself. RFC 8894, section 2.1.2, says
// of it: "the keyUsage extension in the CA certificate MUST indicate that it is valid for
// digitalSignature and keyEncipherment".
func (x *examination) issuerUsage(issuer *x509.Certificate) {
	const usage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	if issuer.KeyUsage&usage != usage {
		x.warn("Add a decrypter certificate. step-ca-intune init --existing "+x.File+" makes an entry with one, which has a name and a SCEP URL of its own. For this entry: "+makeDecrypter,
			"the key usage of %s is not digitalSignature and keyEncipherment, which RFC 8894, section 2.1.2, wants of a CA without a decrypter certificate: devices that go by it refuse to encrypt to it", nameOf(issuer))
	}
}

// decrypterCertificate reports whether devices can use it: they accept it because the CA
// has issued it.
func (x *examination) decrypterCertificate(c, issuer *x509.Certificate) bool {
	if err := c.CheckSignatureFrom(issuer); err != nil {
		x.problem(makeDecrypter, "the decrypter certificate %s is not issued by %s: devices refuse to encrypt to it", nameOf(c), nameOf(issuer))
		return false
	}
	if !x.valid("the decrypter certificate", c) {
		return false
	}
	if c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageKeyEncipherment == 0 {
		x.problem(makeDecrypter, "the decrypter certificate %s has no key usage keyEncipherment: devices refuse to encrypt to it", nameOf(c))
		return false
	}
	return true
}

// presented names the certificates of the answer to GetCACert, in their order.
func (x *examination) presented(p *provisioner.SCEP, decrypter *x509.Certificate) {
	var names []string
	add := func(all ...*x509.Certificate) {
		for _, c := range all {
			names = append(names, nameOf(c)+" ("+keyKind(c)+")")
		}
	}
	if decrypter != nil {
		add(decrypter)
	}
	if p.ShouldIncludeIntermediateInChain() || decrypter == nil {
		add(x.chain...)
	}
	if p.ShouldIncludeRootInChain() {
		add(x.roots...)
	}
	x.ok("SCEP clients see %s", strings.Join(names, ", "))
}

// decrypts tries a key as SCEP uses it: RSA with the padding of PKCS #1 version 1.5.
func decrypts(d crypto.Decrypter) error {
	public, ok := d.Public().(*rsa.PublicKey)
	if !ok {
		return errors.New("it is no RSA key")
	}
	want := []byte("can this be read?")
	//lint:ignore SA1019 it is what SCEP clients do
	text, err := rsa.EncryptPKCS1v15(rand.Reader, public, want)
	if err != nil {
		return err
	}
	//lint:ignore SA1019 as above
	got, err := d.Decrypt(rand.Reader, text, &rsa.PKCS1v15DecryptOptions{})
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("the key decrypts to something else")
	}
	return err
}

// url names the address that belongs into Intune's SCEP profile.
func (x *examination) url(name string) {
	if url.PathEscape(name) != name {
		x.warn("Give the provisioner a name of letters, digits, - and _.", "its name becomes %q in the SCEP URL, which not every device can use", url.PathEscape(name))
	}
	host := "<your CA>"
	for _, n := range x.conf.DNSNames {
		if !isLocal(n) {
			host = n
			break
		}
	}
	if _, port, err := net.SplitHostPort(x.conf.Address); err == nil && port != "443" {
		host = net.JoinHostPort(host, port)
	}
	x.ok("SCEP URL: https://%s/scep/%s, or that of the proxy in front", host, url.PathEscape(name))
}
