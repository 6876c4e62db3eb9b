package harness_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"testing"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "harness"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(bin)
		if err := harness.Build(context.Background(), bin, harness.StepCA, harness.SCEPClient); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// The client side is proved against a CA that nobody here changed.
func TestStockStepCAIssuesToTheDevice(t *testing.T) {
	for name, options := range map[string]harness.Options{
		"from an RSA intermediate with badger":                    {Database: harness.Badger},
		"from an elliptic intermediate with a decrypter and bolt": {Database: harness.Bolt, EllipticIntermediate: true},
		"without a database":                                      {},
	} {
		t.Run(name, func(t *testing.T) {
			options.Provisioners = []map[string]any{harness.SCEPEntry("static", "open sesame")}
			ca := startStock(t, options)
			client, err := device.Connect(t.Context(), ca.SCEP("static"), nil)
			if err != nil {
				t.Fatal(err)
			}
			windows, old := *client, *client
			windows.PKIClientExe = true
			old.UseGET = true
			for name, c := range map[string]*device.Client{"POST": client, "pkiclient.exe": &windows, "GET": &old} {
				result, err := c.Enrol(t.Context(), device.Windows("CN=device-1", "open sesame", device.DNS("device-1.contoso.example")))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if result.Status != scep.SUCCESS || result.Certificate == nil {
					t.Fatalf("%s: got %+v", name, result)
				}
				if _, err := result.Certificate.Verify(x509.VerifyOptions{Roots: ca.Roots(), Intermediates: pool(ca.Intermediate)}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			result, err := client.Enrol(t.Context(), device.Windows("CN=device-1", "open barley"))
			if err != nil {
				t.Fatal(err)
			}
			if result.Status != scep.FAILURE || result.FailInfo != scep.BadRequest || result.FailInfoText == "" || result.Certificate != nil {
				t.Errorf("a wrong challenge got %+v", result)
			}
			if code, err := ca.Stop(); code != 0 || err != nil {
				t.Errorf("stopped with status %d, %v", code, err)
			}
		})
	}
}

func TestStockStepCAIssuesToScepclient(t *testing.T) {
	ca := startStock(t, harness.Options{
		EllipticIntermediate: true,
		Provisioners:         []map[string]any{harness.SCEPEntry("static", "open sesame")},
	})
	certificate, output, err := harness.Foreign(t.Context(), harness.SCEPClient.In(bin), t.TempDir(), ca.SCEP("static"),
		"-challenge", "open sesame", "-cn", "foreign", "-key-encipherment-selector")
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if certificate.Subject.CommonName != "foreign" {
		t.Errorf("got %q", certificate.Subject)
	}
	certificate, _, err = harness.Foreign(t.Context(), harness.SCEPClient.In(bin), t.TempDir(), ca.SCEP("static"),
		"-challenge", "open barley", "-cn", "foreign", "-key-encipherment-selector")
	if certificate != nil || err == nil {
		t.Error("a wrong challenge got a certificate")
	}
}

func TestReloadTakesTheNewConfigurationOrSaysWhyNot(t *testing.T) {
	ca := startStock(t, harness.Options{Provisioners: []map[string]any{harness.SCEPEntry("static", "open sesame")}})
	setChallenge := func(challenge any) {
		t.Helper()
		if err := ca.EditConfig(func(config map[string]any) {
			harness.Provisioner(config, "static")["challenge"] = challenge
		}); err != nil {
			t.Fatal(err)
		}
	}
	enrol := func(challenge string) scep.PKIStatus {
		t.Helper()
		client, err := device.Connect(t.Context(), ca.SCEP("static"), nil)
		if err != nil {
			t.Fatal(err)
		}
		result, err := client.Enrol(t.Context(), device.IPhone("CN=device-1", challenge))
		if err != nil {
			t.Fatal(err)
		}
		return result.Status
	}
	setChallenge("open barley")
	if err := ca.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if old, fresh := enrol("open sesame"), enrol("open barley"); old != scep.FAILURE || fresh != scep.SUCCESS {
		t.Errorf("after the reload the old challenge got status %q, the new one %q", string(old), string(fresh))
	}
	setChallenge(5)
	if err := ca.Reload(t.Context()); err == nil {
		t.Error("a challenge that is a number was taken")
	}
	if status := enrol("open barley"); status != scep.SUCCESS {
		t.Errorf("after a refused reload got status %q", string(status))
	}
}

func TestStartCAReturnsWhatAFailingStartPrinted(t *testing.T) {
	a, err := harness.NewCA(t.TempDir(), harness.Options{Edit: func(config map[string]any) { config["crt"] = "/does/not/exist" }})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := harness.StartCA(t.Context(), harness.StepCA.In(bin), a)
	if err == nil {
		ca.Kill()
		t.Fatal("started")
	}
	t.Log(err)
}

func startStock(t *testing.T, o harness.Options) *harness.CA {
	t.Helper()
	a, err := harness.NewCA(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := harness.StartCA(t.Context(), harness.StepCA.In(bin), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ca.Kill()
		if t.Failed() {
			t.Logf("step-ca printed:\n%s", ca.Output())
		}
	})
	return ca
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}
