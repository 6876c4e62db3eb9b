package intune_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// answerRaw lets reply write what net/http's server would not.
func answerRaw(t *testing.T, l net.Listener, reply func(io.Writer, *http.Request)) {
	t.Helper()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					reply(conn, r)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
}

// listenTLS is a listener for HTTP/1.1 over TLS, with its certificate.
func listenTLS(t *testing.T) (net.Listener, *x509.Certificate) {
	t.Helper()
	lender := httptest.NewUnstartedServer(http.NotFoundHandler())
	lender.StartTLS()
	defer lender.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return l, lender.Certificate()
}

// hides calls once and looks for secrets in error and log.
func hides(t *testing.T, cfg intune.Config, csr []byte, secrets ...string) error {
	t.Helper()
	var mu sync.Mutex
	var out bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Retries = 1
	err := validate(t, newClient(t, cfg), csr)
	if !errors.Is(err, intune.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	fmt.Fprintf(&out, "%v %+v", err, err)
	for _, s := range secrets {
		if strings.Contains(out.String(), s) {
			t.Errorf("%.40q came out: %s", s, out.String())
		}
	}
	return err
}

func TestAProxyThatRepeatsThePasswordInItsRefusal(t *testing.T) {
	for _, password := range []string{"proxy~secret", `pro"xy\secret`} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		answerRaw(t, l, func(w io.Writer, r *http.Request) {
			encoded := strings.TrimPrefix(r.Header.Get("Proxy-Authorization"), "Basic ")
			login, _ := base64.StdEncoding.DecodeString(encoded)
			fmt.Fprintf(w, "HTTP/1.1 407 not allowed: %s %s\r\nContent-Length: 0\r\n\r\n", login, encoded)
		})
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		sim := startSim(t, intunesim.Options{})
		cfg := simConfig(sim)
		if cfg.Proxy, err = intune.ProxyVia("http://"+l.Addr().String(), "ca", file); err != nil {
			t.Fatal(err)
		}
		err = hides(t, cfg, newRequest(t, sim), password, base64.StdEncoding.EncodeToString([]byte("ca:"+password)))
		if !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("the proxy's reason is missing: %v", err)
		}
	}
}

func TestAServiceThatRepeatsTheTokenInALineThatIsNoHeader(t *testing.T) {
	for _, format := range []string{"HTTP/1.1 200 OK\r\nbad line %s\r\n\r\n", "HTTP/1.1 x%s\r\n\r\n", "nonsense %s\r\n\r\n"} {
		l, cert := listenTLS(t)
		var mu sync.Mutex
		var tokens []string
		answerRaw(t, l, func(w io.Writer, r *http.Request) {
			mu.Lock()
			tokens = append(tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			mu.Unlock()
			fmt.Fprintf(w, format, r.Header.Get("Authorization"))
		})
		sim := startSim(t, intunesim.Options{})
		sim.SetServices([]intunesim.Service{{ProviderName: "ScepRequestValidationFEService", URI: "https://" + l.Addr().String()}}, 0)
		cfg := simConfig(sim)
		cfg.TLS.RootCAs.AddCert(cert)
		err := hides(t, cfg, newRequest(t, sim), "eyJ")
		mu.Lock()
		if len(tokens) == 0 || tokens[0] == "" {
			t.Error("no token was sent")
		}
		for _, part := range strings.Split(tokens[0], ".") {
			if strings.Contains(err.Error(), part) {
				t.Errorf("a part of the token is in %v", err)
			}
		}
		mu.Unlock()
	}
}

func TestALoginThatRepeatsTheKeyInItsStatusLine(t *testing.T) {
	for _, format := range []string{"HTTP/1.1 x%s\r\n\r\n", "HTTP/1.1 200 OK\r\nbad line %s\r\n\r\n"} {
		l, cert := listenTLS(t)
		answerRaw(t, l, func(w io.Writer, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				base := "https://" + l.Addr().String() + "/" + intunesim.DefaultTenant
				body := fmt.Sprintf(`{"authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s/oauth2/v2.0/token","issuer":"%[1]s/v2.0"}`, base)
				fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				return
			}
			_ = r.ParseForm()
			fmt.Fprintf(w, format, r.PostForm.Get("client_secret")+" "+r.PostForm.Get("client_assertion"))
		})
		sim := startSim(t, intunesim.Options{})
		cfg := simConfig(sim)
		cfg.Endpoints.Login = "https://" + l.Addr().String()
		cfg.TLS.RootCAs.AddCert(cert)
		err := hides(t, cfg, newRequest(t, sim), intunesim.DefaultSecret)
		if !strings.Contains(err.Error(), "malformed") {
			t.Errorf("the reason is missing: %v", err)
		}
		key := newKey(t, "P-256") // its signatures are short
		cfg.Credential = intune.ClientCertificate([]*x509.Certificate{selfSigned(t, key)}, key)
		err = hides(t, cfg, newRequest(t, sim), "eyJ")
		for _, run := range strings.FieldsFunc(err.Error(), func(r rune) bool { return r == ' ' || r == '.' || r == '"' }) {
			if len(run) > 60 {
				t.Errorf("%q in %v", run, err)
			}
		}
	}
}
