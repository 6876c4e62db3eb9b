package provisioner

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/ca"
	"github.com/smallstep/certificates/cas"
	"github.com/smallstep/certificates/cas/apiv1"
)

// The tests whose names begin with TestStepCA say what the plugin relies on in step-ca.
// They fail by name when a new release changes it.

func TestStepCASkipsProvisionersOfAnUnknownType(t *testing.T) {
	entry := with(scepEntry("intune"), "Intune", "type")
	a := mustAuthority(t, writeCA(t, nil, entry, scepEntry("other")))
	if list := a.GetConfig().AuthorityConfig.Provisioners; len(list) != 1 || list[0].GetName() != "other" {
		t.Errorf("serves %d provisioners", len(list))
	}
	if _, err := a.LoadProvisionerByName("intune"); err == nil {
		t.Error("serves the entry of the unknown type")
	}
}

func TestStepCAStartsWithoutAnyProvisionerThatItKnows(t *testing.T) {
	mustAuthority(t, writeCA(t, nil, with(scepEntry("intune"), "Intune", "type")))
}

func TestStepCAFoldsTheCaseOfKeysAndTypes(t *testing.T) {
	a := mustAuthority(t, writeCA(t, nil, object{"TYPE": "sCeP", "Name": "loud", "cHallenge": "static"}))
	p, err := a.LoadProvisionerByName("loud")
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := p.(*provisioner.SCEP); !ok || s.ChallengePassword != "static" {
		t.Errorf("got %+v", p)
	}
}

func TestStepCAReadsTheFirstJSONValueOfItsConfiguration(t *testing.T) {
	file := writeCA(t, nil, scepEntry("first"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, append(text, " and what follows"...))
	conf, err := config.LoadConfiguration(file)
	if err != nil || len(conf.AuthorityConfig.Provisioners) != 1 {
		t.Errorf("got %v, %v", conf, err)
	}
	entries, err := readEntries(file)
	if err != nil || len(entries) != 1 {
		t.Errorf("the plugin reads %d entries, %v", len(entries), err)
	}
}

func TestStepCALeavesTheAuthorityInTheContextOfTheConstructor(t *testing.T) {
	file := writeCA(t, withDatabase(t))
	var inside *authority.Authority
	plantInto(t, func(a *authority.Authority) {
		inside = a
		if a.GetConfig().Filepath() != file || !a.GetConfig().WasLoadedFromFile() {
			t.Errorf("the configuration's file is %q", a.GetConfig().Filepath())
		}
		if a.GetDatabase() == nil {
			t.Error("there is no database yet")
		}
	})
	if outside := mustAuthority(t, file); inside == nil || inside != outside {
		t.Error("not the authority that is being made")
	}
}

func TestStepCAConstructsAnAuthorityCreatorWithoutAnAuthority(t *testing.T) {
	called := false
	plant(t, func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
		_, ok := authority.FromContext(ctx)
		called = !ok && o.IsCreator
		return original(ctx, o)
	})
	if _, err := cas.NewCreator(t.Context(), apiv1.Options{}); err != nil || !called {
		t.Errorf("called as expected: %t, %v", called, err)
	}
}

func TestStepCAGivesTheConstructorTheIssuerFirst(t *testing.T) {
	var chain []byte
	plant(t, func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
		chain = o.CertificateChain[0].Raw
		return original(ctx, o)
	})
	mustAuthority(t, writeCA(t, nil))
	if !bytes.Equal(chain, testIssuer().certificate.Raw) {
		t.Error("the chain begins with another certificate")
	}
}

func TestStepCAInitialisesProvisionersThatTheConstructorAppends(t *testing.T) {
	plantInto(t, func(a *authority.Authority) {
		p := &provisioner.SCEP{Type: "SCEP", Name: "late", ChallengePassword: "static"}
		a.GetConfig().AuthorityConfig.Provisioners = append(a.GetConfig().AuthorityConfig.Provisioners, p)
	})
	a := mustAuthority(t, writeCA(t, nil))
	p, err := a.LoadProvisionerByName("late")
	if err != nil {
		t.Fatal(err)
	}
	s, ok := p.(*provisioner.SCEP)
	if !ok || s.MinimumPublicKeyLength != 2048 || s.DefaultTLSCertDuration() == 0 {
		t.Errorf("got %+v", p)
	}
	if a.GetSCEP() == nil {
		t.Error("serves no SCEP")
	}
}

// countingEnforcer changes nothing.
type countingEnforcer struct{ calls int }

func (c *countingEnforcer) Enforce(*x509.Certificate) error { c.calls++; return nil }

func TestStepCATakesOptionsInsideTheConstructor(t *testing.T) {
	wraps := 0
	enforcer := new(countingEnforcer)
	plantInto(t, func(a *authority.Authority) {
		for _, option := range []authority.Option{
			authority.WithTransportWrapper(func(*http.Transport) http.RoundTripper { wraps++; return new(hookServer) }),
			authority.WithX509Enforcers(enforcer),
		} {
			if err := option(a); err != nil {
				t.Error(err)
			}
		}
	})
	entry := with(scepEntry("scep"), []any{hook("ask", "SCEPCHALLENGE")}, "options", "webhooks")
	a := mustAuthority(t, writeCA(t, nil, entry))
	answer := enrol(t, connect(t, serveCA(t, a), "scep"), device1("static"))
	if answer.Certificate == nil || wraps == 0 || enforcer.calls != 1 {
		t.Errorf("wrapped %d times, enforced %d times, answer %s", wraps, enforcer.calls, show(answer))
	}
}

func TestStepCAMerelyLogsThatAProvisionerFailsToInitialise(t *testing.T) {
	a := mustAuthority(t, writeCA(t, nil, with(scepEntry("broken"), 99, "encryptionAlgorithmIdentifier")))
	p, err := a.LoadProvisionerByName("broken")
	if err != nil {
		t.Fatal(err)
	}
	if broken, ok := p.(provisioner.Uninitialized); !ok || broken.Reason == nil {
		t.Errorf("got a %T", p)
	}
}

// recorder notes the certificates that are asked for.
type recorder struct {
	softCAS
	requests []*apiv1.CreateCertificateRequest
	err      error
}

func (r *recorder) CreateCertificate(req *apiv1.CreateCertificateRequest) (*apiv1.CreateCertificateResponse, error) {
	r.requests = append(r.requests, req)
	if r.err != nil {
		return nil, r.err
	}
	return r.softCAS.CreateCertificate(req)
}

// plantRecorder decorates softcas with a recorder. The function is called for each
// constructed service.
func plantRecorder(t testing.TB, f func(*recorder, *authority.Authority)) {
	t.Helper()
	plant(t, func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
		inner, err := original(ctx, o)
		if err != nil {
			return nil, err
		}
		r := &recorder{softCAS: inner.(softCAS)}
		a, _ := authority.FromContext(ctx)
		f(r, a)
		return r, nil
	})
}

func newCA(t testing.TB, file string) (*ca.CA, error) {
	t.Helper()
	conf, err := config.LoadConfiguration(file)
	if err != nil {
		t.Fatal(err)
	}
	return ca.New(conf, ca.WithQuiet(true), ca.WithConfigFile(file))
}

func TestStepCAAsksForItsOwnCertificateAfterItHasInitialisedProvisioners(t *testing.T) {
	var recorded *recorder
	var under *authority.Authority
	plantRecorder(t, func(r *recorder, a *authority.Authority) { recorded, under = r, a })
	authority, err := newAuthority(t, writeCA(t, nil, scepEntry("scep")))
	if err != nil || len(recorded.requests) != 0 {
		t.Fatalf("an authority alone asks for %d certificates, %v", len(recorded.requests), err)
	}
	if _, err := authority.LoadProvisionerByName("scep"); err != nil || under != authority {
		t.Fatal(err)
	}
	running, err := newCA(t, writeCA(t, nil, scepEntry("scep")))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	if len(recorded.requests) != 1 || !recorded.requests[0].IsCAServerCert || recorded.requests[0].Provisioner != nil {
		t.Errorf("asked for %+v", recorded.requests)
	}
}

func TestStepCADoesNotStartWithoutItsOwnCertificate(t *testing.T) {
	no := errors.New("not standing")
	plantRecorder(t, func(r *recorder, _ *authority.Authority) { r.err = no })
	if running, err := newCA(t, writeCA(t, nil, scepEntry("scep"))); err == nil || !strings.Contains(err.Error(), no.Error()) {
		if running != nil {
			_ = running.Stop()
		}
		t.Errorf("got %v", err)
	}
}

func TestStepCANamesTheProvisionerWithEachCertificateRequest(t *testing.T) {
	var recorded *recorder
	plantRecorder(t, func(r *recorder, _ *authority.Authority) { recorded = r })
	a := mustAuthority(t, writeCA(t, nil, scepEntry("scep")))
	enrol(t, connect(t, serveCA(t, a), "scep"), device1("static"))
	if len(recorded.requests) != 1 {
		t.Fatalf("%d requests", len(recorded.requests))
	}
	r := recorded.requests[0]
	name, ok := provisionerNameIn(r.Template)
	if r.Provisioner == nil || r.Provisioner.Name != "scep" || !ok || name != "scep" || len(r.CSR.Raw) == 0 ||
		r.Template.NotBefore.IsZero() || r.Template.NotAfter.IsZero() {
		t.Errorf("got %+v, extension of %q", r, name)
	}
}

func TestStepCACountsTheValidityFromTheBackdate(t *testing.T) {
	var recorded *recorder
	plantRecorder(t, func(r *recorder, _ *authority.Authority) { recorded = r })
	a := mustAuthority(t, writeCA(t, nil, scepEntry("scep")))
	enrol(t, connect(t, serveCA(t, a), "scep"), device1("static"))
	r := recorded.requests[0]
	if issued := r.Template.NotBefore.Add(r.Backdate); r.Template.NotAfter.Sub(issued) != r.Lifetime || r.Lifetime.Hours() != 8760 {
		t.Errorf("lifetime %s, from %s (backdate %s) to %s", r.Lifetime, r.Template.NotBefore, r.Backdate, r.Template.NotAfter)
	}
}
