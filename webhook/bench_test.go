package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	stepca "github.com/smallstep/certificates/webhook"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// yes approves at once.
type yes struct{}

func (yes) ValidateChallenge(context.Context, Challenge) (any, error) {
	return map[string]string{"subject": "CN=device"}, nil
}
func (yes) Notify(context.Context, Notification) error { return nil }

// The body is as long as a real one: the request of a device of Intune's, in DER and taken
// apart.
func BenchmarkRoundTrip(b *testing.B) {
	hook := NewHook(SCEPChallenge, "intune", yes{})
	transport := NewHandler(nil, hook).RoundTripper(new(dead))
	body := challengeBody(b)
	// Each call has a time stamp of its own, and so a signature of its own.
	stamp := bytes.Index(body, []byte(stampPattern))
	if stamp < 0 {
		b.Fatalf("no time stamp in %.100s", body)
	}
	digits := body[stamp+1 : stamp+1+9]
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		copy(digits, fmt.Sprintf("%09d", i))
		mac := hmac.New(sha256.New, hook.key)
		mac.Write(body)
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, hook.URL(), bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("X-Smallstep-Signature", hex.EncodeToString(mac.Sum(nil)))
		r.Header.Set("X-Smallstep-Webhook-ID", hook.ID)
		answer, err := transport.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		if text, err := io.ReadAll(answer.Body); err != nil || !bytes.Contains(text, []byte(`"allow":true`)) {
			b.Fatalf("%s, %v", text, err)
		}
	}
}

const stampPattern = ".123456789Z"

func challengeBody(b *testing.B) []byte {
	b.Helper()
	challenge := strings.Repeat("Challenge+", 280)
	built, err := device.Windows("CN=device,OU=Devices,O=Contoso", challenge, device.UPN("alice@contoso.example")).Build()
	if err != nil {
		b.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(built.DER)
	if err != nil {
		b.Fatal(err)
	}
	call, err := stepca.NewRequestBody(stepca.WithX509CertificateRequest(csr))
	if err != nil {
		b.Fatal(err)
	}
	call.Timestamp = time.Now().UTC().Truncate(time.Second).Add(123456789)
	call.ProvisionerName, call.SCEPChallenge, call.SCEPTransactionID = "intune", challenge, "0123456789ABCDEF0123456789ABCDEF01234567"
	body, err := json.Marshal(call)
	if err != nil {
		b.Fatal(err)
	}
	return body
}
