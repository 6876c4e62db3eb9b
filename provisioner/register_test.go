package provisioner

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"

	"github.com/step-ca-intune/step-ca-intune/webhook"
)

func TestRegisterDecoratesSoftCASForIntuneEntriesOnly(t *testing.T) {
	original, _ := apiv1.LoadCertificateAuthorityServiceNewFunc(apiv1.SoftCAS)
	t.Cleanup(func() { apiv1.Register(apiv1.SoftCAS, original) })
	Register("test")
	a := mustAuthority(t, writeCA(t, nil, intuneEntry(t, "intune"), scepEntry("scep")))
	for _, name := range []string{"intune", "scep"} {
		if p, err := a.LoadProvisionerByName(name); err != nil || p.GetType() != provisioner.TypeSCEP {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	without := mustAuthority(t, writeCA(t, nil, scepEntry("scep")))
	if issueFor(t, without) == nil {
		t.Error("no certificate without an Intune entry")
	}
}

func TestAConstructorWithoutAnAuthorityReturnsTheOriginalService(t *testing.T) {
	inner := mustSoftCAS(t)
	original := func(context.Context, apiv1.Options) (apiv1.CertificateAuthorityService, error) { return inner, nil }
	p := newPlugin()
	for name, o := range map[string]apiv1.Options{"a context without authority": {}, "an authority's keys": {IsCreator: true}} {
		if s, err := p.construct(t.Context(), o, apiv1.SoftCAS, original); err != nil || s != inner {
			t.Errorf("%s: %T, %v", name, s, err)
		}
	}
	a := mustAuthority(t, writeCA(t, nil))
	conf := *a.GetConfig()
	if s, err := p.construct(authority.NewContext(t.Context(), a), apiv1.Options{IsCreator: true}, apiv1.SoftCAS, original); err != nil || s != inner {
		t.Errorf("a creator of %s: %T, %v", conf.Filepath(), s, err)
	}
}

func TestAnErrorOfTheOriginalConstructorIsPassedOn(t *testing.T) {
	a := mustAuthority(t, writeCA(t, nil))
	no := errors.New("no key")
	original := func(context.Context, apiv1.Options) (apiv1.CertificateAuthorityService, error) { return nil, no }
	if _, err := newPlugin().construct(authority.NewContext(t.Context(), a), apiv1.Options{}, apiv1.SoftCAS, original); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
}

func TestAReloadNeitherAddsTheFirstSCEPProvisionerNorRemovesTheLast(t *testing.T) {
	acme := object{"type": "ACME", "name": "acme"}
	intune, scep := intuneEntry(t, "intune"), scepEntry("scep")
	for name, test := range map[string]struct {
		before, after []object
		want          string
	}{
		"the first, an Intune entry":           {[]object{acme}, []object{acme, intune}, "cannot be added by a reload"},
		"the last, an Intune entry":            {[]object{acme, intune}, []object{acme}, "cannot be removed by a reload"},
		"an Intune entry beside another":       {[]object{scep}, []object{scep, intune}, ""},
		"an Intune entry gone beside another":  {[]object{scep, intune}, []object{scep}, ""},
		"an Intune entry for an ordinary one":  {[]object{scep}, []object{intune}, ""},
		"an ordinary one for an Intune entry":  {[]object{intune}, []object{scep}, ""},
		"an Intune entry for another":          {[]object{intune}, []object{intuneEntry(t, "other")}, ""},
		"a second Intune entry":                {[]object{intune}, []object{intune, intuneEntry(t, "other")}, ""},
		"the first ordinary one, without ours": {[]object{acme}, []object{acme, scep}, ""},
		"the last ordinary one, without ours":  {[]object{acme, scep}, []object{acme}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, file := newPlugin(), writeCA(t, nil, test.before...)
			r, err := constructPlugin(t, p, file, newFakeClient())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.authority.GetTLSCertificate(); err != nil {
				t.Fatal(err)
			}
			edited := writeCA(t, nil, test.after...)
			copyFile(t, edited, file)
			r, err = constructPlugin(t, p, file, newFakeClient())
			if test.want != "" {
				wantOneLine(t, err, test.want, "restart step-ca")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.authority.GetTLSCertificate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAStartThatFailsLeavesNoMark(t *testing.T) {
	p, file := newPlugin(), writeCA(t, nil, intuneEntry(t, "intune"))
	if _, err := constructPlugin(t, p, file, newFakeClient()); err != nil { // as step ca export: no TLS certificate
		t.Fatal(err)
	}
	if len(p.running) != 0 {
		t.Errorf("running %v", p.running)
	}
}

func TestOnlyTheFirstServerCertificateChecksTheProvisioners(t *testing.T) {
	r, err := constructPlugin(t, newPlugin(), writeCA(t, nil, with(intuneEntry(t, "intune"), 99, "encryptionAlgorithmIdentifier")), newFakeClient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.authority.GetTLSCertificate(); err == nil {
		t.Error("the first one is issued though the provisioner does not stand")
	}
	if _, err := r.authority.GetTLSCertificate(); err != nil {
		t.Errorf("a renewal: %v", err)
	}
}

func TestAnX5CProvisionerThatTrustsThisCAIsWarnedOf(t *testing.T) {
	foreign := newIssuer("Foreign Root", nil, ecKey(), true)
	for name, test := range map[string]struct {
		root    *issuer
		others  []object
		warning bool
	}{
		"the root":                    {testRoot(), []object{intuneEntry(t, "intune")}, true},
		"the issuing CA":              {testIssuer(), []object{intuneEntry(t, "intune")}, true},
		"a foreign root":              {foreign, []object{intuneEntry(t, "intune")}, false},
		"the root, without our entry": {testRoot(), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			x5c := object{"type": "X5C", "name": "chain", "roots": base64.StdEncoding.EncodeToString(certificatePEM(test.root.certificate))}
			file := writeCA(t, nil, append(test.others, x5c)...)
			lines := startPlugin(t, file, newFakeClient()).log.lines("an X5C provisioner trusts this CA")
			if got := len(lines) == 1 && strings.Contains(lines[0], "provisioner=chain"); got != test.warning {
				t.Errorf("logged %q", lines)
			}
		})
	}
}

func TestOurCertificatesAreNotRenewedAndOthersAre(t *testing.T) {
	i := newTestInstance()
	i.entries["intune"] = &entry{name: "intune"}
	s := &service{inner: mustSoftCAS(t).(softCAS), instance: i}
	renew := func(name string) error {
		cert := leafOf(t, provisioner.TypeSCEP, name)
		template := *cert
		template.ExtraExtensions, template.Extensions = cert.Extensions, nil // as step-ca
		_, err := s.RenewCertificate(&apiv1.RenewCertificateRequest{Template: &template, Lifetime: time.Hour})
		return err
	}
	if err := renew("intune"); !errors.Is(err, errRenewal) {
		t.Errorf("ours: %v", err)
	}
	if err := renew("scep"); err != nil {
		t.Errorf("another: %v", err)
	}
}

func TestRenewalAndRekeyAreRefusedWithAndWithoutADatabase(t *testing.T) {
	for name, edit := range map[string]func(object){"without": nil, "with": withDatabase(t)} {
		t.Run(name, func(t *testing.T) {
			r := startPlugin(t, writeCA(t, edit, intuneEntry(t, "intune")), newFakeClient())
			answer := enrol(t, connect(t, r.server, "intune"), device1("x"))
			if answer.Certificate == nil {
				t.Fatal(show(answer))
			}
			if _, err := r.authority.Renew(answer.Certificate); err == nil {
				t.Error("renewed")
			}
			if _, err := r.authority.Rekey(answer.Certificate, ecKey().Public()); err == nil {
				t.Error("rekeyed")
			}
		})
	}
}

func TestTheHooksOfAnEntryAreItsOwn(t *testing.T) {
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "a"), intuneEntry(t, "b")), newFakeClient())
	seen := map[string]bool{}
	for _, e := range r.instance.entries {
		hooks := e.scep.Options.Webhooks
		if len(hooks) != 2 {
			t.Fatalf("%d hooks", len(hooks))
		}
		for _, w := range hooks {
			if !strings.HasPrefix(w.URL, "https://"+webhook.Host+"/") || strings.ContainsAny(w.URL, "{}") || !w.DisableTLSClientAuth || w.Name != "intune" {
				t.Errorf("hook %+v", w)
			}
			for _, own := range []string{w.ID, w.URL, w.Secret} {
				if own == "" || seen[own] {
					t.Errorf("%q is not the hook's own", own)
				}
				seen[own] = true
			}
		}
	}
}

func TestTheEndOfTheProcessWaitsForEnrolments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlugin()
		s, err := memoryState(discard)
		if err != nil {
			t.Fatal(err)
		}
		p.states["ca.json"] = s
		s.work.begin()
		begin := time.Now()
		time.AfterFunc(3*time.Second, s.work.end)
		p.Stop()
		if waited := time.Since(begin); waited != 3*time.Second {
			t.Errorf("waited for %s", waited)
		}
	})
}
