package provisioner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/device"
)

// prepare returns a message that a device can send any number of times.
func prepare(t testing.TB, c *device.Client, csr device.CSR) (*device.Request, *device.Message) {
	t.Helper()
	r, err := csr.Build()
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Prepare(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, m
}

func send(t testing.TB, c *device.Client, m *device.Message) *device.Result {
	t.Helper()
	r, err := c.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantNothingLeft checks that no enrolment is under way.
func (r *running) wantNothingLeft(t testing.TB) {
	t.Helper()
	r.instance.state.end()
	s := r.instance.enrolments
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byKey)+len(s.byRoute) != 0 {
		t.Errorf("%d enrolments and %d route contexts are left", len(s.byKey), len(s.byRoute))
	}
}

// wantOutcome checks that exactly one outcome line was written, and what it says.
func (r *running) wantOutcome(t testing.TB, o outcome, texts ...string) {
	t.Helper()
	lines := r.log.lines("msg=enrolment")
	if len(lines) != 1 || !strings.Contains(lines[0], "outcome="+string(o)) {
		t.Fatalf("want one line with outcome %s, got %q", o, lines)
	}
	for _, text := range texts {
		if !strings.Contains(lines[0], text) {
			t.Errorf("%q is missing in %q", text, lines[0])
		}
	}
}

// wantNoFailure checks that no failure notification was sent. Call it after
// wantNothingLeft.
func (c *fakeClient) wantNoFailure(t testing.TB) {
	t.Helper()
	select {
	case f := <-c.failed:
		t.Errorf("a failure notification: %+v", f)
	default:
	}
}

// wantFailure checks that one failure notification was sent and returns it.
func (c *fakeClient) wantFailure(t testing.TB) failed {
	t.Helper()
	var f failed
	select {
	case f = <-c.failed:
	case <-time.After(30 * time.Second):
		t.Fatal("no failure notification")
	}
	c.wantNoFailure(t)
	if f.code >= 0 || f.description == "" {
		t.Errorf("failure notification %+v", f)
	}
	return f
}

func TestAnApprovedRequestIsIssuedAndReported(t *testing.T) {
	client := newFakeClient()
	r := startPlugin(t, writeCA(t, withDatabase(t), intuneEntry(t, "intune")), client)
	c := connect(t, r.server, "intune")
	csr := device1("the challenge")
	csr.SANs = append(csr.SANs, device.UPN("user@contoso.com"))
	_, m := prepare(t, c, csr)
	result := send(t, c, m)
	if result.Certificate == nil {
		t.Fatal(show(result))
	}
	asked, succeeded := client.counts()
	if asked != 1 || succeeded != 1 || !client.succeeded[0].Certificate.Equal(result.Certificate) ||
		client.succeeded[0].CAConfiguration != testIssuer().certificate.Subject.String() {
		t.Errorf("asked %d times, told %d times", asked, succeeded)
	}
	if name, ok := provisionerNameIn(result.Certificate); !ok || name != "intune" || result.Certificate.IsCA {
		t.Errorf("the certificate is of %q", name)
	}
	r.wantNothingLeft(t)
	client.wantNoFailure(t)
	r.wantOutcome(t, outcomeIssued, "transaction="+m.TransactionID, "serial="+serialOf(result.Certificate), "activity-1", "activity-2", "userPrincipalName:user@contoso.com")
	if strings.Contains(r.log.String(), "the challenge") {
		t.Error("the log holds the challenge")
	}
}

func TestWithoutAnApprovalNothingIsIssued(t *testing.T) {
	unreachable := fmt.Errorf("token: %w", intune.ErrUnavailable)
	for name, test := range map[string]struct {
		err     error
		outcome outcome
		text    string
	}{
		"refused":              {refusedWith(intune.CodeChallengeExpired), outcomeRefused, "code=ChallengeExpired"},
		"refused with no code": {refusedWith(""), outcomeRefused, "refused by Intune"},
		"unreachable":          {unreachable, outcomeFailed, "no answer from Microsoft"},
		"an unknown error":     {errors.New("strange"), outcomeFailed, "strange"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newFakeClient()
			client.validate = func(context.Context, string) error { return test.err }
			r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), client)
			if result := enrol(t, connect(t, r.server, "intune"), device1("x")); result.Status != scep.FAILURE {
				t.Error(show(result))
			}
			r.wantNothingLeft(t)
			client.wantNoFailure(t)
			r.wantOutcome(t, test.outcome, test.text)
			if _, succeeded := client.counts(); succeeded != 0 {
				t.Error("a success was reported")
			}
		})
	}
}

func TestWithoutAnAcceptedReportNothingIsIssued(t *testing.T) {
	for name, err := range map[string]error{
		"refused": refusedWith(intune.CodeChallengeExpired), "unreachable": intune.ErrUnavailable, "an unknown error": errors.New("strange"),
	} {
		t.Run(name, func(t *testing.T) {
			client := newFakeClient()
			client.success = func(context.Context, intune.Issued) error { return err }
			r := startPlugin(t, writeCA(t, withDatabase(t), intuneEntry(t, "intune")), client)
			result := enrol(t, connect(t, r.server, "intune"), device1("x"))
			if result.Status != scep.FAILURE || result.Certificate != nil {
				t.Error(show(result))
			}
			serial := client.succeeded[0].Certificate.SerialNumber.String()
			if _, err := r.authority.GetDatabase().GetCertificate(serial); err == nil {
				t.Error("the certificate is stored")
			}
			r.wantNothingLeft(t)
			client.wantNoFailure(t)
			r.wantOutcome(t, outcomeUnreported, "reporting the certificate to Intune")
		})
	}
}

func TestAPanicOfTheClientDenies(t *testing.T) {
	client := newFakeClient()
	client.validate = func(context.Context, string) error { panic("client") }
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), client)
	c := connect(t, r.server, "intune")
	if result := enrol(t, c, device1("x")); result.Status != scep.FAILURE {
		t.Error(show(result))
	}
	client.validate = nil
	if result := enrol(t, c, device1("x")); result.Certificate == nil {
		t.Errorf("the next request: %s", show(result))
	}
	r.wantNothingLeft(t)
	client.wantNoFailure(t)
	if lines := r.log.lines("panic: client"); len(lines) != 1 || !strings.Contains(lines[0], "outcome=failed") {
		t.Errorf("logged %q", lines)
	}
}

func TestAPanicWhileReportingWithholdsTheCertificate(t *testing.T) {
	client := newFakeClient()
	client.success = func(context.Context, intune.Issued) error { panic("client") }
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), client)
	result, err := connect(t, r.server, "intune").Enrol(t.Context(), device1("x"))
	if err == nil && result.Certificate != nil {
		t.Error(show(result))
	}
}

func TestAPolicyThatDeniesIsReportedAsOneFailure(t *testing.T) {
	for name, sans := range map[string][]device.SAN{
		"without a UPN": {device.DNS("evil.forbidden.example")},
		"with a UPN":    {device.DNS("evil.forbidden.example"), device.UPN("user@contoso.com")},
	} {
		t.Run(name, func(t *testing.T) {
			client := newFakeClient()
			r := startPlugin(t, writeCA(t, denyNames(), intuneEntry(t, "intune")), client)
			result := enrol(t, connect(t, r.server, "intune"), device.Windows("CN=device", "a challenge of some length", sans...))
			if result.Status != scep.FAILURE {
				t.Error(show(result))
			}
			if f := client.wantFailure(t); f.code != intune.HResultAccessDenied || !strings.Contains(f.description, "evil.forbidden.example") ||
				strings.Contains(f.description, "a challenge of some length") || f.transactionID != result.TransactionID {
				t.Errorf("reported %+v", f)
			}
			r.wantNothingLeft(t)
			r.wantOutcome(t, outcomeFailed, "evil.forbidden.example")
			if _, succeeded := client.counts(); succeeded != 0 {
				t.Error("a success was reported")
			}
		})
	}
}

func TestASecondCommonNameIsShownToThePolicy(t *testing.T) {
	for _, subject := range []string{"CN=evil.forbidden.example,CN=device", "CN=device,CN=evil.forbidden.example"} {
		client := newFakeClient()
		r := startPlugin(t, writeCA(t, denyNames(), intuneEntry(t, "intune")), client)
		if result := enrol(t, connect(t, r.server, "intune"), device.Windows(subject, "x")); result.Certificate != nil {
			t.Fatalf("%s: %s", subject, show(result))
		}
		client.wantFailure(t)
	}
}

func TestATemplateThatGoesBeyondTheApprovalIsReportedAsAFailure(t *testing.T) {
	client := newFakeClient()
	entry := with(intuneEntry(t, "intune"), `{"subject":{"commonName":"another"},"keyUsage":["digitalSignature"],"extKeyUsage":["clientAuth"]}`, "options", "x509", "template")
	r := startPlugin(t, writeCA(t, nil, entry), client)
	if result := enrol(t, connect(t, r.server, "intune"), device1("x")); result.Certificate != nil {
		t.Error(show(result))
	}
	if f := client.wantFailure(t); f.code != intune.HResultPolicyDenied || !strings.Contains(f.description, "subject") {
		t.Errorf("reported %+v", f)
	}
	r.wantNothingLeft(t)
	r.wantOutcome(t, outcomeFailed, "goes beyond what was approved")
}

func TestAFailureToStoreAfterTheReportIsReportedAndRevoked(t *testing.T) {
	client := newFakeClient()
	r, err := constructPlugin(t, newPlugin(), writeCA(t, withDatabase(t), intuneEntry(t, "intune")), client)
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.WithDatabase(unstorable{r.authority.GetDatabase()})(r.authority); err != nil {
		t.Fatal(err)
	}
	if _, err := r.authority.GetTLSCertificate(); err != nil {
		t.Fatal(err)
	}
	r.server = serveCA(t, r.authority)
	c := connect(t, r.server, "intune")
	_, m := prepare(t, c, device1("a challenge of some length"))
	if result := send(t, c, m); result.Status != scep.FAILURE {
		t.Error(show(result))
	}
	if f := client.wantFailure(t); f.code != intune.HResultUnexpected || !strings.Contains(f.description, "disk full") {
		t.Errorf("reported %+v", f)
	}
	r.wantNothingLeft(t)
	r.wantOutcome(t, outcomeFailed, "disk full")
	serial := client.succeeded[0].Certificate.SerialNumber.String()
	if revoked, err := r.authority.IsRevoked(serial); err != nil || !revoked {
		t.Errorf("revoked %t, %v", revoked, err)
	}
}

func TestEightIdenticalRequestsAtOnceGetOneCertificate(t *testing.T) {
	client := newFakeClient()
	r := startPlugin(t, writeCA(t, withDatabase(t), intuneEntry(t, "intune")), client)
	c := connect(t, r.server, "intune")
	_, m := prepare(t, c, device1("x"))
	certificates := make(chan []byte, 8)
	var wg sync.WaitGroup
	for range cap(certificates) {
		wg.Go(func() {
			result, err := c.Send(t.Context(), m)
			if err != nil || result.Certificate == nil {
				t.Error(err)
				return
			}
			certificates <- result.Certificate.Raw
		})
	}
	wg.Wait()
	close(certificates)
	var first []byte
	n := 0
	for raw := range certificates {
		if n++; first == nil {
			first = raw
		}
		if !bytes.Equal(first, raw) {
			t.Error("another certificate")
		}
	}
	r.wantNothingLeft(t)
	asked, succeeded := client.counts()
	if n != 8 || succeeded != 1 || asked != 8 {
		t.Errorf("%d certificates, asked %d times, reported %d times", n, asked, succeeded)
	}
	client.wantNoFailure(t)
	if lines := r.log.lines("outcome=issued"); len(lines) != 8 || len(r.log.lines("repeated=true")) != 7 {
		t.Errorf("%d outcomes", len(lines))
	}
}

func TestACertificateThatWasRevokedIsNotHandedOutAgain(t *testing.T) {
	client := newFakeClient()
	r := startPlugin(t, writeCA(t, withDatabase(t), intuneEntry(t, "intune")), client)
	c := connect(t, r.server, "intune")
	_, m := prepare(t, c, device1("x"))
	first := send(t, c, m)
	if err := r.instance.revoke(first.Certificate); err != nil {
		t.Fatal(err)
	}
	second := send(t, c, m)
	if second.Certificate == nil || second.Certificate.Equal(first.Certificate) {
		t.Error("the revoked certificate again")
	}
	if _, succeeded := client.counts(); succeeded != 2 {
		t.Errorf("reported %d times", succeeded)
	}
}

func TestARepeatedRequestNeedsIntunesApprovalAgain(t *testing.T) {
	client := newFakeClient()
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), client)
	c := connect(t, r.server, "intune")
	_, m := prepare(t, c, device1("x"))
	send(t, c, m)
	client.validate = func(context.Context, string) error {
		return refusedWith(intune.CodeScepProfileNoLongerTargetedToTheClient)
	}
	if result := send(t, c, m); result.Certificate != nil {
		t.Error("the certificate is handed out without an approval")
	}
}
