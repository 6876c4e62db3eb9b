package e2e

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/smallstep/scep"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Anything that a device may send gets an error for an answer, leaves the
// process running and leaves nothing behind.
func TestBadInputIsAnsweredWithAnError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(intune)
	messages := s.badMessages(c)
	for name, csr := range s.badRequests() {
		messages[name] = s.prepare(c, csr)
	}
	for name, m := range messages {
		result := s.send(c, m)
		refused := result.HTTPStatus >= 400 || result.Status == scep.FAILURE
		if !refused || result.Certificate != nil {
			t.Errorf("%s got %s", name, describe(result))
		}
	}
	if n := len(s.calls(intunesim.OpSuccess)); n != 0 {
		t.Errorf("Intune received %d success notifications", n)
	}
	s.noFailureReported()
	s.issue("device-1")
	if stored := s.stored(); len(stored) != 1 {
		t.Errorf("step-ca stored %d certificates", len(stored))
	}
	if strings.Contains(s.ca.Output(), "panic") {
		t.Error("something panicked")
	}
}

// badMessages are no proper certificate requests.
func (s *site) badMessages(c *device.Client) map[string]*device.Message {
	s.Helper()
	encrypt := func(der []byte) *device.Message {
		m, err := c.Prepare(&device.Request{DER: der, Key: device.Keys(1)[0]})
		if err != nil {
			s.Fatal(err)
		}
		return m
	}
	genuine, err := s.genuine("device-0").Build()
	if err != nil {
		s.Fatal(err)
	}
	long, err := s.genuine("device-0").Build()
	if err != nil {
		s.Fatal(err)
	}
	long.TransactionID = strings.Repeat("7", 100_000)
	longID, err := c.Prepare(long)
	if err != nil {
		s.Fatal(err)
	}
	return map[string]*device.Message{
		"nothing":                    {DER: []byte{}},
		"text":                       {DER: []byte("GET / HTTP/1.0")},
		"two megabytes of zeros":     {DER: make([]byte, 2<<20)},
		"half a message":             {DER: encrypt(genuine.DER).DER[:500]},
		"no request inside":          encrypt([]byte("not a request")),
		"nothing inside":             encrypt(nil),
		"a request and more":         encrypt(append(genuine.DER, 0, 0)),
		"half a request inside":      encrypt(genuine.DER[:len(genuine.DER)/2]),
		"an endless transaction id":  longID,
		"a certificate for request":  encrypt(s.ca.Intermediate.Raw),
		"a request that is no PKCS7": {DER: genuine.DER},
	}
}

// badRequests are proper in themselves, but nothing that Intune's devices send.
func (s *site) badRequests() map[string]device.CSR {
	s.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		s.Fatal(err)
	}
	unbound := func() device.CSR { // its challenge is checked for nothing but itself
		return device.Windows("CN=device-0", s.challenge(intunesim.Challenge{DeviceID: "device-0"}))
	}
	with := func(change func(*device.CSR)) device.CSR {
		csr := unbound()
		change(&csr)
		return csr
	}
	attribute := func(a device.Attribute) device.CSR {
		return with(func(c *device.CSR) { c.Attributes = append(c.Attributes, a) })
	}
	utf8, genuine := cbasn1.UTF8String, unbound().Challenge
	sid := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}, Value: []byte{0x30, 0}}
	microsoft := device.ExtensionRequest(sid)
	microsoft.Type = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 14}
	return map[string]device.CSR{
		"an elliptic key":                    with(func(c *device.CSR) { c.Key = ec }),
		"an Edwards key":                     with(func(c *device.CSR) { c.Key = edwards }),
		"RSA with 1024 bits":                 with(func(c *device.CSR) { c.Key = small }),
		"a broken signature":                 with(func(c *device.CSR) { c.BreakSignature = true }),
		"a challenge of a megabyte":          device.Windows("CN=device-0", strings.Repeat("A", 1<<20)),
		"a challenge with NUL":               {Subject: "CN=device-0", Attributes: []device.Attribute{device.ChallengePassword(utf8, []byte(genuine[:100]+"\x00"+genuine[100:]))}},
		"a challenge that is not UTF-8":      {Subject: "CN=device-0", Attributes: []device.Attribute{device.ChallengePassword(utf8, []byte("\xff\xfe\xfd"))}},
		"a challenge that is an integer":     {Subject: "CN=device-0", Attributes: []device.Attribute{device.ChallengePassword(cbasn1.INTEGER, []byte{1})}},
		"a second challenge":                 attribute(device.ChallengePassword(utf8, []byte("other"))),
		"a second list of extensions":        attribute(device.ExtensionRequest(sid)),
		"Microsoft's old list of extensions": attribute(microsoft),
		"an extension that comes twice":      with(func(c *device.CSR) { c.Extensions = []pkix.Extension{sid, sid} }),
		"attributes without values":          attribute(device.Attribute{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}}),
		"a subject of 100 kilobytes":         with(func(c *device.CSR) { c.Subject = "CN=" + strings.Repeat("x", 100_000) }),
		"a URI that is none":                 with(func(c *device.CSR) { c.SANs = []device.SAN{device.URI("http://[::1")} }),
		"an IP address of three bytes":       with(func(c *device.CSR) { c.SANs = []device.SAN{{0x87, 3, 1, 2, 3}} }),
		"alternative names that are rubbish": with(func(c *device.CSR) { c.SANs = []device.SAN{{0xff, 0xff}} }),
		"neither subject nor names":          with(func(c *device.CSR) { c.Subject = "" }),
	}
}

// A flood of bad input does not close the CA for the good.
func TestGenuineDevicesAreServedAmidRubbish(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(entry map[string]any, _ *harness.Options) {})
	c := s.connect(intune)
	stop := make(chan struct{})
	done := make(chan struct{})
	rubbish := s.prepare(c, device.Windows("CN=device-0", "rubbish"))
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = c.Send(t.Context(), rubbish)
			}
		}
	}()
	for range 5 {
		s.issue("device-1")
	}
	close(stop)
	<-done
}
