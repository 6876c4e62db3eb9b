package intune_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
	"github.com/step-ca-intune/step-ca-intune/test/proxy"
)

func TestEverythingGoesThroughTheProxy(t *testing.T) {
	for _, test := range []struct{ name, credentials, user, password, want string }{
		{name: "without a password"},
		{name: "with a password", credentials: "ca:proxy~secret", user: "ca", password: "proxy~secret"},
		{name: "with a wrong password", credentials: "ca:proxy~secret", user: "ca", password: "wrong~secret", want: "Proxy Authentication Required"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// No resolver knows this name: what does not take the proxy fails.
			sim := startSim(t, intunesim.Options{Hosts: []string{"microsoft.invalid"}})
			p := proxy.Start(t, test.credentials)
			p.To = strings.TrimPrefix(sim.URL(), "https://")
			file := ""
			if test.user != "" {
				file = filepath.Join(t.TempDir(), "password")
				if err := os.WriteFile(file, []byte(test.password+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			choose, err := intune.ProxyVia(p.URL, test.user, file)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			cfg := simConfig(sim)
			cfg.Proxy = choose
			cfg.Endpoints = intune.Endpoints{Login: "https://microsoft.invalid/", Graph: "https://microsoft.invalid/", Intune: "https://microsoft.invalid/"}
			cfg.Retries = 1
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			err = validate(t, newClient(t, cfg), newRequest(t, sim))
			if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, intune.ErrUnavailable) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v", err)
			}
			for _, host := range p.Connected() {
				if host != "microsoft.invalid:443" {
					t.Errorf("the proxy was asked for %s", host)
				}
			}
			if test.want == "" && len(p.Connected()) == 0 {
				t.Error("the proxy saw nothing")
			}
			for _, secret := range []string{"proxy~secret", "wrong~secret", base64.StdEncoding.EncodeToString([]byte(test.credentials))} {
				if secret != "" && strings.Contains(log.String()+fmt.Sprint(err), secret) {
					t.Errorf("%q is in the log or the error", secret)
				}
			}
		})
	}
}

func TestAProxyThatCannotBeUsedIsRefusedWithoutItsPassword(t *testing.T) {
	for _, address := range []string{"http://ca:proxy~secret@proxy:8080", "ftp://proxy", "proxy:8080", "http://%zzproxy~secret", "",
		"ca:proxy~secret@proxy:8080", "http:ca:proxy~secret@proxy:8080", "http:/ca:proxy~secret@proxy:8080", "HTTP//ca:proxy~secret@proxy"} {
		if _, err := intune.ProxyVia(address, "", ""); err == nil || strings.Contains(err.Error(), "proxy~secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := intune.ProxyVia("http://proxy:8080", "", "/file"); err == nil {
		t.Error("a password without a user is taken")
	}
	if _, err := intune.ProxyVia("http://proxy:8080", "ca", "/does/not/exist"); err == nil {
		t.Error("a missing file is taken")
	}
	sim := startSim(t, intunesim.Options{})
	cfg := simConfig(sim)
	cfg.Retries = 0
	broken := "http://ca:proxy~secret@%zz"
	cfg.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(broken) }
	if err := validate(t, newClient(t, cfg), newRequest(t, sim)); err == nil || strings.Contains(err.Error(), "proxy~secret") {
		t.Errorf("got %v", err)
	}
}

func TestTLSBelow12IsNotSpoken(t *testing.T) {
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	old.StartTLS()
	defer old.Close()
	sim := startSim(t, intunesim.Options{})
	cfg := simConfig(sim)
	cfg.Endpoints.Login = old.URL
	cfg.TLS.RootCAs.AddCert(old.Certificate())
	cfg.TLS.MinVersion = tls.VersionTLS10 // does not help
	cfg.Retries = 0
	err := validate(t, newClient(t, cfg), newRequest(t, sim))
	if !errors.Is(err, intune.ErrUnavailable) || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v", err)
	}
}

func TestTLSBelow12IsNotSpokenWithoutAConfigurationEither(t *testing.T) {
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	old.StartTLS()
	defer old.Close()
	sim := startSim(t, intunesim.Options{})
	cfg := simConfig(sim)
	cfg.Endpoints.Login = old.URL
	cfg.TLS = nil
	cfg.Retries = 0
	err := validate(t, newClient(t, cfg), newRequest(t, sim))
	if !errors.Is(err, intune.ErrUnavailable) || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v", err)
	}
}

func TestARootThatIsNotTrustedEndsTheCallAtOnce(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	cfg := simConfig(sim)
	cfg.TLS = nil
	err := validate(t, newClient(t, cfg), newRequest(t, sim))
	if !errors.Is(err, intune.ErrUnavailable) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("got %v", err)
	}
}

func TestARedirectIsNotFollowedWithAToken(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	caught := 0
	trap := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		caught++
		fmt.Fprint(w, `{"code":"Success","errorDescription":""}`)
	}))
	defer trap.Close()
	for _, op := range []intunesim.Operation{intunesim.OpToken, intunesim.OpOpenIDConfiguration, intunesim.OpDiscovery, intunesim.OpValidate} {
		for _, status := range []int{301, 302, 307, 308} {
			cfg := simConfig(sim)
			cfg.TLS.RootCAs.AddCert(trap.Certificate())
			sim.ClearFaults()
			if err := sim.AddFault(intunesim.Fault{Operation: op, Status: status, Header: map[string]string{"Location": trap.URL}}); err != nil {
				t.Fatal(err)
			}
			if err := validate(t, newClient(t, cfg), csr); !errors.Is(err, intune.ErrUnavailable) {
				t.Errorf("%s, %d: %v", op, status, err)
			}
		}
	}
	if caught > 0 {
		t.Errorf("%d redirects were followed", caught)
	}
}
