package intunesim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// validated returns a caller and a request that was approved as "transaction-1".
func validated(t testing.TB, sim *intunesim.Server) (*caller, []byte) {
	t.Helper()
	c := newCaller(t, sim)
	csr := build(t, device.CSR{Subject: "CN=a", Challenge: newChallenge(t, sim, intunesim.Challenge{DeviceID: "device-1", UserID: "alice"})})
	if got := c.validate("transaction-1", csr); got != "Success" {
		t.Fatal(got)
	}
	return c, csr
}

func states(sim *intunesim.Server) string {
	var all []string
	for _, line := range sim.Certificates() {
		all = append(all, string(line.State))
	}
	return strings.Join(all, " ")
}

func TestASuccessNotificationIsListed(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c, csr := validated(t, sim)
	for range 3 { // repeating it lists nothing twice
		if got := c.code("successNotification", success("transaction-1", csr, nil)); got != "Success" {
			t.Fatal(got)
		}
	}
	want := intunesim.Certificate{
		DeviceID: "device-1", UserID: "alice", TransactionID: "transaction-1", Thumbprint: strings.Repeat("AB", 20),
		SerialNumber: "0123456789ABCDEF", Expires: time.Date(2027, 6, 11, 16, 11, 20, 90e6, time.UTC),
		Issuer: "CN=Test Intermediate CA, O=Test", CAConfiguration: "test-ca", CertificateAuthority: "test-ca",
		State: intunesim.StateIssued,
	}
	if all := sim.Certificates(); len(all) != 1 || all[0] != want {
		t.Errorf("listed %+v, want %+v", all, want)
	}
}

func TestNotificationsNeedAValidatedTransaction(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c, csr := validated(t, sim)
	other := build(t, device.CSR{Subject: "CN=b", Challenge: newChallenge(t, sim, intunesim.Challenge{})})
	for name, test := range map[string]struct {
		transaction string
		csr         []byte
		code        string
	}{
		"another transaction":             {"transaction-2", csr, "Unknown"},
		"another request":                 {"transaction-1", other, "Unknown"},
		"a request that is none":          {"transaction-1", []byte("nothing"), "CertificateRequestDecodingFailed"},
		"the transaction and its request": {"transaction-1", csr, "Success"},
	} {
		for operation, body := range map[string]any{
			"successNotification": success(test.transaction, test.csr, nil), "failureNotification": failure(test.transaction, test.csr, nil),
		} {
			if got := c.code(operation, body); got != test.code {
				t.Errorf("%s for %s: %q, want %q", operation, name, got, test.code)
			}
		}
	}
}

func TestTwoRequestsMayBearTheSameTransaction(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c, csr := validated(t, sim)
	other := build(t, device.CSR{Subject: "CN=b", Challenge: newChallenge(t, sim, intunesim.Challenge{})})
	c.validate("transaction-1", other)
	c.code("successNotification", success("transaction-1", csr, nil))
	c.code("failureNotification", failure("transaction-1", other, nil))
	if got := states(sim); got != "issued failed" {
		t.Errorf("states: %s", got)
	}
}

func TestStatesFollowTheNotifications(t *testing.T) {
	second := object{"certificateThumbprint": strings.Repeat("CD", 20)}
	for name, test := range map[string]struct {
		notify func(c *caller, csr []byte)
		states string
	}{
		"nothing": {func(*caller, []byte) {}, ""},
		"a failure alone": {func(c *caller, csr []byte) {
			c.code("failureNotification", failure("transaction-1", csr, nil))
			c.code("failureNotification", failure("transaction-1", csr, nil))
		}, "failed"},
		"a failure after success": {func(c *caller, csr []byte) {
			c.code("successNotification", success("transaction-1", csr, nil))
			c.code("failureNotification", failure("transaction-1", csr, nil))
		}, "failed"},
		"a success after failure": {func(c *caller, csr []byte) {
			c.code("failureNotification", failure("transaction-1", csr, nil))
			c.code("successNotification", success("transaction-1", csr, nil))
		}, "issued"},
		"two certificates for one transaction": {func(c *caller, csr []byte) {
			c.code("successNotification", success("transaction-1", csr, nil))
			c.code("successNotification", success("transaction-1", csr, second))
		}, "issued issued"},
	} {
		sim := start(t, intunesim.Options{})
		c, csr := validated(t, sim)
		test.notify(c, csr)
		if got := states(sim); got != test.states {
			t.Errorf("%s: states %q, want %q", name, got, test.states)
		}
		for _, line := range sim.Certificates() {
			if failed := line.State == intunesim.StateFailed; failed != (line.HResult == -2147418113) || failed != (line.ErrorDescription != "") {
				t.Errorf("%s: %+v", name, line)
			}
		}
	}
}
