package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// guardedProxy is an HTTP proxy that knows CONNECT only, and lets in who has the password.
type guardedProxy struct {
	*httptest.Server
	password string
	tunnels  sync.WaitGroup

	mu      sync.Mutex
	let     []string // hosts that were connected to
	refused int
}

func startGuardedProxy(t *testing.T, password string) *guardedProxy {
	t.Helper()
	p := &guardedProxy{password: password}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() { p.CloseClientConnections(); p.Close(); p.tunnels.Wait() })
	return p
}

func (p *guardedProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// BasicAuth reads Authorization only.
	r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization"))
	user, password, _ := r.BasicAuth()
	good := r.Method == http.MethodConnect && user == "ca" && password == p.password
	p.mu.Lock()
	if good {
		p.let = append(p.let, r.Host)
	} else {
		p.refused++
	}
	p.mu.Unlock()
	if !good {
		http.Error(w, "who are you", http.StatusProxyAuthRequired)
		return
	}
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, "unreachable", http.StatusBadGateway)
		return
	}
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	_, _ = fmt.Fprint(from, "HTTP/1.1 200 OK\r\n\r\n")
	p.tunnels.Go(func() { defer to.Close(); _, _ = io.Copy(to, bufio.NewReader(buffered)) })
	p.tunnels.Go(func() { defer from.Close(); _, _ = io.Copy(from, to) })
}

// What stands in ca.json has an effect on the wire: the proxy, the name of the CA and the
// number of retries.
func TestTheSettingsOfAnEntryCount(t *testing.T) {
	t.Parallel()
	const password = "proxy~s3cret"
	p := startGuardedProxy(t, password)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(entry map[string]any, _ *harness.Options) {
		i := settings(entry)
		i["proxy"] = map[string]any{"url": p.URL, "username": "ca", "passwordFile": file}
		i["caID"] = "Contoso's second CA"
		i["retries"] = 0
	})
	s.issue("device-1")
	listed := s.listed(intunesim.StateIssued)
	if len(listed) != 1 || listed[0].CAConfiguration != "Contoso's second CA" || listed[0].CertificateAuthority != "Contoso's second CA" {
		t.Errorf("listed %+v", listed)
	}

	asked := len(s.calls(intunesim.OpValidate))
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Status: http.StatusServiceUnavailable})
	c := s.connect(intune)
	if r := s.send(c, s.prepare(c, s.genuine("device-2"))); r.Status != scep.FAILURE {
		t.Errorf("got %s", describe(r))
	}
	if n := len(s.calls(intunesim.OpValidate)) - asked; n != 1 {
		t.Errorf("Intune was asked %d times", n)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.let) == 0 || p.refused > 0 {
		t.Errorf("the proxy let %d connections through and refused %d", len(p.let), p.refused)
	}
	for _, host := range p.let {
		if "https://"+host != s.sim.URL() {
			t.Errorf("the proxy was asked for %s", host)
		}
	}
	if strings.Contains(s.ca.Output(), password) {
		t.Error("the proxy's password is in the log")
	}
}
