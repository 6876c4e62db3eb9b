package status_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

func answers(address string) bool {
	res, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func TestTheListenerMoves(t *testing.T) {
	b := status.NewBoard("1.2.3")
	first := listen(t, b)
	second := freeAddress(t)
	if err := b.Listen(second, false, discard); err != nil {
		t.Fatal(err)
	}
	if answers(first) || !answers(second) {
		t.Errorf("the old address answers: %t, the new one: %t", answers(first), answers(second))
	}
	if err := b.Listen("", false, discard); err != nil || answers(second) {
		t.Errorf("without an address it goes on, %v", err)
	}
}

// A connection that stays open shows that the listener was not exchanged.
func TestTheListenerStaysWhereItIs(t *testing.T) {
	b := status.NewBoard("1.2.3")
	address := listen(t, b)
	keeping := &http.Client{Transport: new(http.Transport)}
	defer keeping.CloseIdleConnections()
	ask := func() (local string) {
		conn := func(c net.Conn) { local = c.LocalAddr().String() }
		res, err := keeping.Do(traced(t, "http://"+address+"/healthz", conn))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body) // so that the connection can be used again
		res.Body.Close()
		return local
	}
	before := ask()
	if err := b.Listen(address, false, discard); err != nil {
		t.Fatal(err)
	}
	if after := ask(); after != before {
		t.Errorf("the connection was cut: %s, then %s", before, after)
	}
}

func TestAnAddressThatIsTakenLeavesTheListenerWhereItIs(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b := status.NewBoard("1.2.3")
	first := listen(t, b)
	for _, address := range []string{taken.Addr().String(), "10.0.0.5:9190", "nonsense"} {
		if err := b.Listen(address, false, discard); err == nil {
			t.Errorf("%s is accepted", address)
		}
	}
	if !answers(first) {
		t.Error("the old address does not answer")
	}
}

// 0.0.0.0:p and 127.0.0.1:p cannot be open at once.
func TestTheListenerChangesItsInterface(t *testing.T) {
	b := status.NewBoard("1.2.3")
	address := listen(t, b)
	_, port, _ := net.SplitHostPort(address)
	for _, host := range []string{"0.0.0.0:", "127.0.0.1:"} {
		if err := b.Listen(host+port, true, discard); err != nil {
			t.Fatal(err)
		}
		if !answers(address) {
			t.Errorf("on %s it does not answer", host)
		}
	}
	// An address of no interface of this machine, with the same port.
	if err := b.Listen("192.0.2.1:"+port, true, discard); err == nil || !answers(address) {
		t.Errorf("the old one does not go on: %v", err)
	}
}

func TestAClosedListenerStaysClosed(t *testing.T) {
	b := status.NewBoard("1.2.3")
	address := listen(t, b)
	b.Close()
	if err := b.Listen(address, false, discard); err != nil || answers(address) {
		t.Errorf("it has opened again, %v", err)
	}
}

func TestReadinessIsTheCAs(t *testing.T) {
	b := status.NewBoard("1.2.3")
	url := "http://" + listen(t, b)
	expect := func(code int, part string) {
		t.Helper()
		if got, body := do(t, http.MethodGet, url+"/readyz", ""); got != code || !strings.Contains(body, part) {
			t.Errorf("got %d %s, want %d and %q", got, body, code, part)
		}
	}
	expect(http.StatusServiceUnavailable, "the CA is starting")
	ca := new(fakeCA)
	b.Show(ca)
	expect(http.StatusOK, "contoso.onmicrosoft.com")
	b.Show(&fakeCA{unready: errDatabase})
	expect(http.StatusServiceUnavailable, errDatabase.Error())
	if !answers(strings.TrimPrefix(url, "http://")) {
		t.Error("/healthz depends on it")
	}
}
