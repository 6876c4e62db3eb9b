package provisioner

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/smallstep/certificates/api"
	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/db"
	"github.com/smallstep/certificates/middleware/requestid"
	"github.com/smallstep/certificates/scep"
	scepapi "github.com/smallstep/certificates/scep/api"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// object is a JSON object of a configuration.
type object = map[string]any

// issuer is a CA's certificate with its key.
type issuer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newIssuer(name string, parent *issuer, key crypto.Signer, isCA bool) *issuer {
	usage := forSCEP
	if _, isRSA := key.Public().(*rsa.PublicKey); isCA && isRSA {
		usage |= forSigning
	} else if isCA {
		usage = forSigning
	}
	return certify(name, parent, key, isCA, usage)
}

const (
	forSigning = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	forSCEP    = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
)

func certify(name string, parent *issuer, key crypto.Signer, isCA bool, usage x509.KeyUsage) *issuer {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{Organization: []string{"Contoso"}, CommonName: name},
		// Made once for all tests, whose time may begin in 2000 (synctest).
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2059, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:      isCA, BasicConstraintsValid: true, KeyUsage: usage,
	}
	self := &issuer{certificate: template, key: key}
	if parent == nil {
		parent = self
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		panic(err)
	}
	if self.certificate, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return self
}

func rsaKey() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func ecKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// The CA of all tests: RSA keys take long to make.
var (
	testRoot      = sync.OnceValue(func() *issuer { return newIssuer("Contoso Root CA", nil, ecKey(), true) })
	testIssuer    = sync.OnceValue(func() *issuer { return newIssuer("Contoso Issuing CA", testRoot(), rsaKey(), true) })
	testECIssuer  = sync.OnceValue(func() *issuer { return newIssuer("Contoso EC CA", testRoot(), ecKey(), true) })
	testDecrypter = sync.OnceValue(func() *issuer { return newIssuer("Contoso SCEP RA", testECIssuer(), rsaKey(), false) })
)

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(key crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func writeFile(t testing.TB, file string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// writeCA writes a CA's files and returns the path of its ca.json. An edit may change
// anything in it before it is written.
func writeCA(t testing.TB, edit func(conf object), provisioners ...object) string {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		return writeFile(t, filepath.Join(dir, name), content)
	}
	list := []any{}
	for _, p := range provisioners {
		list = append(list, p)
	}
	conf := object{
		"address":         "127.0.0.1:0",
		"insecureAddress": "127.0.0.1:0",
		"dnsNames":        []any{"localhost"},
		"root":            file("root.crt", certificatePEM(testRoot().certificate)),
		"crt":             file("ca.crt", certificatePEM(testIssuer().certificate)),
		"key":             file("ca.key", keyPEM(testIssuer().key)),
		"authority":       object{"provisioners": list},
	}
	if edit != nil {
		edit(conf)
	}
	return file("ca.json", toJSON(t, conf))
}

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// with changes a part of an object; the path is made of keys.
func with(o object, value any, path ...string) object {
	clone := object{}
	for k, v := range o {
		clone[k] = v
	}
	if len(path) > 1 {
		inner, _ := clone[path[0]].(object)
		value = with(inner, value, path[1:]...)
	}
	clone[path[0]] = value
	return clone
}

func set(value any, path ...string) func(object) {
	return func(conf object) {
		for k, v := range with(conf, value, path...) {
			conf[k] = v
		}
	}
}

// withDatabase makes a CA keep its state in bbolt, which needs no goroutines.
func withDatabase(t testing.TB) func(object) {
	return set(object{"type": "bbolt", "dataSource": filepath.Join(t.TempDir(), "db")}, "db")
}

func both(edits ...func(object)) func(object) {
	return func(conf object) {
		for _, edit := range edits {
			edit(conf)
		}
	}
}

// scepEntry is an ordinary SCEP provisioner.
func scepEntry(name string) object {
	return object{"type": "SCEP", "name": name, "challenge": "static", "encryptionAlgorithmIdentifier": 2, "claims": oneYear()}
}

func oneYear() object {
	return object{"defaultTLSCertDuration": "8760h", "maxTLSCertDuration": "8760h"}
}

// constructor is step-ca's hook for certificate authority services.
type constructor func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error)

// plant puts a constructor in front of softcas's until the test ends, or until the function
// that it returns is called.
func plant(t testing.TB, c constructor) (restore func()) {
	t.Helper()
	original, ok := apiv1.LoadCertificateAuthorityServiceNewFunc(apiv1.SoftCAS)
	if !ok {
		t.Fatal("softcas is not registered")
	}
	apiv1.Register(apiv1.SoftCAS, func(ctx context.Context, o apiv1.Options) (apiv1.CertificateAuthorityService, error) {
		return c(ctx, o, original)
	})
	restore = sync.OnceFunc(func() { apiv1.Register(apiv1.SoftCAS, original) })
	t.Cleanup(restore)
	return restore
}

// plantInto runs f with the authority under construction.
func plantInto(t testing.TB, f func(*authority.Authority)) {
	t.Helper()
	plant(t, func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
		if a, ok := authority.FromContext(ctx); ok {
			f(a)
		}
		return original(ctx, o)
	})
}

// newAuthority makes the authority of a ca.json, as step-ca does.
func newAuthority(t testing.TB, file string) (*authority.Authority, error) {
	t.Helper()
	conf, err := config.LoadConfiguration(file)
	if err != nil {
		t.Fatal(err)
	}
	a, err := authority.New(conf, authority.WithQuietInit())
	if err == nil {
		t.Cleanup(func() { _ = a.Shutdown() })
	}
	return a, err
}

func mustAuthority(t testing.TB, file string) *authority.Authority {
	t.Helper()
	a, err := newAuthority(t, file)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serveCA serves an authority with step-ca's own routers and context.
func serveCA(t testing.TB, a *authority.Authority) *httptest.Server {
	t.Helper()
	mux := chi.NewRouter()
	api.Route(mux)
	mux.Route("/scep", func(r chi.Router) { scepapi.Route(r) })
	server := httptest.NewUnstartedServer(requestid.New("").Middleware(mux))
	ctx := authority.NewContext(context.Background(), a)
	ctx = db.NewContext(ctx, a.GetDatabase())
	if s := a.GetSCEP(); s != nil {
		ctx = scep.NewContext(ctx, s)
	}
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// connect returns a device that speaks to a provisioner of the CA.
func connect(t testing.TB, server *httptest.Server, provisioner string) *device.Client {
	t.Helper()
	c, err := device.Connect(t.Context(), server.URL+"/scep/"+provisioner, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// enrol sends a request and returns the answer.
func enrol(t testing.TB, c *device.Client, csr device.CSR) *device.Result {
	t.Helper()
	r, err := c.Enrol(t.Context(), csr)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
