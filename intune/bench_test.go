package intune

import (
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// What the client itself adds to its two calls for an enrolment: encoding, headers, reading
// the answer. The network below it answers at once.
func BenchmarkEnrolment(b *testing.B) {
	client := newStubClient(b, &stub{})
	r, err := device.Windows("CN=device,OU=Devices,O=Contoso", strings.Repeat("Challenge+", 280), device.UPN("alice@contoso.example")).Build()
	if err != nil {
		b.Fatal(err)
	}
	issued := Issued{Certificate: readCertificate(b, "sign-byte.pem"), CAConfiguration: "CN=CA", CertificateAuthority: "CN=CA"}
	const transaction = "0123456789ABCDEF0123456789ABCDEF01234567"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.ValidateRequest(b.Context(), transaction, r.DER); err != nil {
			b.Fatal(err)
		}
		if _, err := client.SendSuccessNotification(b.Context(), transaction, r.DER, issued); err != nil {
			b.Fatal(err)
		}
	}
}
