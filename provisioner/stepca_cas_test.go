package provisioner

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas"
	"github.com/smallstep/certificates/cas/apiv1"
)

// mustSoftCAS returns a softcas with the tests' issuer.
func mustSoftCAS(t testing.TB) apiv1.CertificateAuthorityService {
	t.Helper()
	s, err := cas.New(t.Context(), apiv1.Options{CertificateChain: []*x509.Certificate{testIssuer().certificate}, Signer: testIssuer().key})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// optional are the interfaces that step-ca looks for in a certificate authority service.
func optional(s apiv1.CertificateAuthorityService) map[string]bool {
	_, getter := s.(apiv1.CertificateAuthorityGetter)
	_, creator := s.(apiv1.CertificateAuthorityCreator)
	_, crl := s.(apiv1.CertificateAuthorityCRLGenerator)
	_, signer := s.(apiv1.CertificateAuthoritySigner)
	_, typed := s.(interface{ Type() apiv1.Type })
	_, getSigner := s.(interface{ GetSigner() (crypto.Signer, error) })
	return map[string]bool{"Getter": getter, "Creator": creator, "CRLGenerator": crl, "Signer": signer, "Type": typed, "GetSigner": getSigner}
}

func TestStepCASoftCASHasTheseOptionalInterfaces(t *testing.T) {
	s := mustSoftCAS(t)
	want := map[string]bool{"Getter": false, "Creator": true, "CRLGenerator": true, "Signer": true, "Type": true, "GetSigner": true}
	for name, has := range optional(s) {
		if has != want[name] {
			t.Errorf("%s: %t", name, has)
		}
	}
	if typ := apiv1.TypeOf(s); typ != apiv1.SoftCAS {
		t.Errorf("the type is %s", typ)
	}
}

func TestTheServiceForwardsExactlyTheOptionalInterfacesOfSoftCAS(t *testing.T) {
	inner := mustSoftCAS(t)
	soft, err := asSoftCAS(inner)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{inner: soft, instance: newTestInstance()}
	want := optional(inner)
	for name, has := range optional(s) {
		if has != want[name] {
			t.Errorf("%s: the decorated service %t, softcas %t", name, has, want[name])
		}
	}
	if typ := apiv1.TypeOf(s); typ != apiv1.SoftCAS {
		t.Errorf("the type is %s", typ)
	}
	signer, err := s.GetSigner()
	if err != nil || signer != testIssuer().key {
		t.Errorf("the signer is %v, %v", signer, err)
	}
}

// getter is a service that has one interface too many, which would break the start.
type getter struct{ softCAS }

func (getter) GetCertificateAuthority(*apiv1.GetCertificateAuthorityRequest) (*apiv1.GetCertificateAuthorityResponse, error) {
	return nil, nil
}

// bare is a service without the optional interfaces.
type bare struct {
	apiv1.CertificateAuthorityService
}

func TestAnotherServiceThanSoftCASIsNotDecorated(t *testing.T) {
	soft := mustSoftCAS(t)
	for name, s := range map[string]apiv1.CertificateAuthorityService{
		"one interface more": getter{soft.(softCAS)}, "none of them": bare{soft},
	} {
		if _, err := asSoftCAS(s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// issueFor returns a certificate of the provisioner "scep", with or without step-ca's
// extension.
func issueFor(t *testing.T, a *authority.Authority) *x509.Certificate {
	t.Helper()
	r := enrol(t, connect(t, serveCA(t, a), "scep"), device1("static"))
	if r.Certificate == nil {
		t.Fatalf("got %s", show(r))
	}
	return r.Certificate
}

func TestStepCARenewsWithoutItsExtensionWhatSCEPDoesNot(t *testing.T) {
	for name, test := range map[string]struct {
		disable bool
		edit    func(object)
		renewed bool
	}{
		"with the extension, without a database":    {false, nil, false},
		"with the extension and a database":         {false, withDatabase(t), false},
		"without the extension, without a database": {true, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			entry := with(scepEntry("scep"), test.disable, "claims", "disableSmallstepExtensions")
			a := mustAuthority(t, writeCA(t, test.edit, entry))
			cert := issueFor(t, a)
			if _, ok := provisionerNameIn(cert); ok == test.disable {
				t.Fatalf("it has the extension: %t", ok)
			}
			for kind, key := range map[string]crypto.PublicKey{"renewal": nil, "rekey": ecKey().Public()} {
				if _, err := a.RenewContext(context.Background(), cert, key); (err == nil) != test.renewed {
					t.Errorf("%s: %v", kind, err)
				}
			}
		})
	}
}

// renewals notes the certificates that are renewed.
type renewals struct {
	softCAS
	requests []*apiv1.RenewCertificateRequest
}

func (r *renewals) RenewCertificate(req *apiv1.RenewCertificateRequest) (*apiv1.RenewCertificateResponse, error) {
	r.requests = append(r.requests, req)
	return r.softCAS.RenewCertificate(req)
}

func TestStepCANamesTheProvisionerInTheTemplateOfARenewal(t *testing.T) {
	noted := new(renewals)
	plant(t, func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
		inner, err := original(ctx, o)
		noted.softCAS, _ = inner.(softCAS)
		return noted, err
	})
	a := mustAuthority(t, writeCA(t, nil, object{"type": "ACME", "name": "acme"}))
	cert := leafOf(t, provisioner.TypeACME, "acme")
	if _, err := a.RenewContext(t.Context(), cert, nil); err != nil || len(noted.requests) != 1 {
		t.Fatalf("%d renewals, %v", len(noted.requests), err)
	}
	if name, ok := provisionerNameIn(noted.requests[0].Template); !ok || name != "acme" {
		t.Errorf("the template names %q", name)
	}
}

// leafOf returns a certificate of the tests' CA with step-ca's extension of a provisioner.
func leafOf(t testing.TB, typ provisioner.Type, name string) *x509.Certificate {
	t.Helper()
	extension, err := (&provisioner.Extension{Type: typ, Name: name}).ToExtension()
	if err != nil {
		t.Fatal(err)
	}
	key := ecKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{extension},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, testIssuer().certificate, key.Public(), testIssuer().key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestStepCAServesCRLsThroughTheDecoratedService(t *testing.T) {
	file := writeCA(t, both(withDatabase(t), set(object{"enabled": true, "generateOnRevoke": true}, "crl")), intuneEntry(t, "intune"))
	r := startPlugin(t, file, new(fakeClient))
	if err := r.authority.GenerateCertificateRevocationList(); err != nil {
		t.Error(err)
	}
	if _, err := r.authority.GetCertificateRevocationList(); err != nil {
		t.Error(err)
	}
	if signer, err := r.authority.GetX509Signer(); err != nil || signer == nil {
		t.Errorf("the signer is %v, %v", signer, err)
	}
}
