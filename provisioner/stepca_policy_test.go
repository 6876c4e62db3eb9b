package provisioner

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
)

// denyNames is an authority.policy that forbids names.
func denyNames() func(object) {
	return set(object{"x509": object{"deny": object{"dns": []any{"*.forbidden.example"}}}}, "authority", "policy")
}

// enforcerFunc is an enforcer of one function.
type enforcerFunc func(*x509.Certificate) error

func (f enforcerFunc) Enforce(c *x509.Certificate) error { return f(c) }

func plantEnforcer(t testing.TB, enforcer func(*authority.Authority) provisioner.CertificateEnforcer) {
	t.Helper()
	plantInto(t, func(a *authority.Authority) {
		if err := authority.WithX509Enforcers(enforcer(a))(a); err != nil {
			t.Error(err)
		}
	})
}

const (
	dnsTemplate = `{"subject":{"commonName":"device"},"keyUsage":["digitalSignature"],"sans":[{"type":"dns","value":"evil.forbidden.example"}]}`
	upnTemplate = `{"subject":{"commonName":"device"},"keyUsage":["digitalSignature"],"sans":[{"type":"dns","value":"evil.forbidden.example"},{"type":"userPrincipalName","value":"user@contoso.com"}]}`
)

func issuesWithTemplate(t *testing.T, template string) bool {
	t.Helper()
	entry := with(scepEntry("scep"), template, "options", "x509", "template")
	server := serveCA(t, mustAuthority(t, writeCA(t, denyNames(), entry)))
	return enrol(t, connect(t, server, "scep"), device1("static")).Certificate != nil
}

func TestStepCAPolicyIsBlindOnceThereIsAUserPrincipalName(t *testing.T) {
	if issuesWithTemplate(t, dnsTemplate) {
		t.Error("a forbidden name is issued")
	}
	if !issuesWithTemplate(t, upnTemplate) {
		t.Error("step-ca's policy sees names beside a UPN now: the enforcer is not needed any more")
	}
}

func TestThePluginLeavesTheNamesOfOtherProvisionersAlone(t *testing.T) {
	entry := with(scepEntry("scep"), upnTemplate, "options", "x509", "template")
	r := startPlugin(t, writeCA(t, denyNames(), intuneEntry(t, "intune"), entry), newFakeClient())
	if answer := enrol(t, connect(t, r.server, "scep"), device1("static")); answer.Certificate == nil {
		t.Error("the certificate of another provisioner is looked at")
	}
}

func TestStepCARunsEnforcersBeforeThePolicy(t *testing.T) {
	plantEnforcer(t, func(*authority.Authority) provisioner.CertificateEnforcer {
		return enforcerFunc(func(c *x509.Certificate) error {
			if strings.HasPrefix(c.Subject.CommonName, "device") {
				c.DNSNames = append(c.DNSNames, "added.forbidden.example")
			}
			return nil
		})
	})
	if issuesWithTemplate(t, `{"subject":{"commonName":"device"},"keyUsage":["digitalSignature"]}`) {
		t.Error("the policy does not see what an enforcer has written")
	}
}

func TestStepCASignsTheRawNamesWhateverAnEnforcerWrites(t *testing.T) {
	plantEnforcer(t, func(*authority.Authority) provisioner.CertificateEnforcer {
		return enforcerFunc(func(c *x509.Certificate) error {
			c.DNSNames = append(c.DNSNames, "added.contoso.com")
			return nil
		})
	})
	entry := with(scepEntry("scep"), strings.ReplaceAll(upnTemplate, "evil.forbidden.example", "device.contoso.com"), "options", "x509", "template")
	r := enrol(t, connect(t, serveCA(t, mustAuthority(t, writeCA(t, nil, entry))), "scep"), device1("static"))
	if r.Certificate == nil || len(r.Certificate.DNSNames) != 1 || r.Certificate.DNSNames[0] != "device.contoso.com" {
		t.Errorf("got %+v", r.Certificate)
	}
}
