package intunesim_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestTheRootIsWrittenAndUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var roots [][]byte
	for range 2 {
		sim, err := intunesim.Start(intunesim.Options{Dir: dir})
		check(t, err)
		data, err := os.ReadFile(filepath.Join(dir, "root.pem"))
		check(t, err)
		if sim.RootFile() != filepath.Join(dir, "root.pem") || !bytes.Equal(data, sim.RootPEM()) {
			t.Error("the root is not where it should be")
		}
		roots = append(roots, data)
		control := dial(t, sim)
		if _, err := control.Stats(); err != nil {
			t.Error(err)
		}
		check(t, sim.Close())
	}
	if !bytes.Equal(roots[0], roots[1]) {
		t.Error("the second start made another root")
	}
}

func TestATemporaryRootIsRemoved(t *testing.T) {
	sim, err := intunesim.Start(intunesim.Options{})
	check(t, err)
	if _, err := os.Stat(sim.RootFile()); err != nil {
		t.Error(err)
	}
	check(t, sim.Close())
	if _, err := os.Stat(sim.RootFile()); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	sim := start(t, intunesim.Options{})
	if _, err := intunesim.Start(intunesim.Options{Addr: strings.TrimPrefix(sim.URL(), "https://")}); err == nil {
		t.Error("two simulators at one address")
	}
}

func TestFurtherHostsAreServed(t *testing.T) {
	sim := start(t, intunesim.Options{Hosts: []string{"login.example"}})
	transport := transportOf(sim, true)
	defer transport.CloseIdleConnections()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(sim.URL(), "https://"))
	}
	client := &http.Client{Transport: transport}
	resp, err := client.Get("https://login.example/" + intunesim.DefaultTenant + "/v2.0/.well-known/openid-configuration")
	check(t, err)
	if got := readJSON(t, resp)["token_endpoint"]; got != "https://login.example/"+intunesim.DefaultTenant+"/oauth2/v2.0/token" {
		t.Errorf("token endpoint %v", got)
	}
	resp, err = client.PostForm("https://login.example/"+intunesim.DefaultTenant+"/oauth2/v2.0/token", secretForm("https://login.example//.default"))
	check(t, err)
	if answer := readJSON(t, resp); resp.StatusCode != 200 {
		t.Errorf("token: %v", answer)
	}
}

func TestTheHistoryIsBounded(t *testing.T) {
	sim := start(t, intunesim.Options{History: 3})
	for i := range 8 {
		resp, err := sim.HTTPClient().Get(fmt.Sprintf("%s/%d?q=1", sim.URL(), i))
		check(t, err)
		if answer := readJSON(t, resp); resp.StatusCode != 404 || answer["error"] == nil {
			t.Errorf("%s %v", resp.Status, answer)
		}
		if i == 4 {
			if all := sim.Requests(); len(all) != 3 || all[0].Path != "/2?q=1" || all[2].Path != "/4?q=1" {
				t.Errorf("remembered: %+v", all)
			}
			sim.ClearRequests()
		}
	}
	all := sim.Requests()
	if len(all) != 3 || all[0].Path != "/5?q=1" || all[2].Path != "/7?q=1" {
		t.Errorf("remembered: %+v", all)
	}
	if all[0].Operation != intunesim.OpUnknown || all[0].Method != "GET" || all[0].Status != 404 || all[0].Proto != "HTTP/2.0" ||
		all[0].Answer == "" || all[0].Headers.Get("User-Agent") == "" || all[0].Time.IsZero() {
		t.Errorf("remembered: %+v", all[0])
	}
	if calls := sim.Stats().Calls; calls[intunesim.OpUnknown] != 8 {
		t.Errorf("calls: %v", calls)
	}
}

func TestConnectionsAndHandshakesAreCounted(t *testing.T) {
	sim := start(t, intunesim.Options{})
	for want := int64(1); want <= 3; want++ {
		for range 2 { // the second call uses the connection again
			resp, err := sim.HTTPClient().Get(sim.URL())
			check(t, err)
			readJSON(t, resp)
		}
		sim.HTTPClient().CloseIdleConnections()
		if stats := sim.Stats(); stats.Connections != want || stats.Handshakes != want {
			t.Errorf("stats %+v, want %d", stats, want)
		}
	}
}

func TestTheClockIsTheOneGiven(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	sim := start(t, intunesim.Options{Now: func() time.Time { return now }})
	sim.Advance(time.Hour)
	resp, err := sim.HTTPClient().Get(sim.URL())
	check(t, err)
	readJSON(t, resp)
	if got := resp.Header.Get("Date"); got != "Wed, 02 Jan 2030 04:04:05 GMT" {
		t.Errorf("Date: %s", got)
	}
}

func TestADelayHoldsEveryAnswerBack(t *testing.T) {
	sim := start(t, intunesim.Options{Delay: 20 * time.Millisecond})
	before := time.Now()
	newCaller(t, sim)
	if took := time.Since(before); took < 20*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
}

// Devices enrol by the thousand at once; the race detector watches.
func TestManyCallsAtOnce(t *testing.T) {
	calls := 500
	if testing.Short() {
		calls = 100
	}
	sim := start(t, intunesim.Options{History: 10})
	c := newCaller(t, sim)
	csr := build(t, goodCSR(newChallenge(t, sim, everything())))
	addFault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Times: calls / 10, Code: "Unknown"})
	var wg sync.WaitGroup
	codes := make([]string, calls)
	for i := range calls {
		wg.Go(func() {
			transaction := fmt.Sprint("transaction-", i)
			if codes[i] = c.validate(transaction, csr); codes[i] == "Success" {
				c.code("successNotification", success(transaction, csr, nil))
			}
			sim.Requests()
		})
	}
	wg.Wait()
	approved := 0
	for _, code := range codes {
		if code == "Success" {
			approved++
		}
	}
	if want := calls - calls/10; approved != want || len(sim.Certificates()) != want {
		t.Errorf("%d approved, %d listed, want %d", approved, len(sim.Certificates()), want)
	}
}

func BenchmarkValidate(b *testing.B) {
	sim := start(b, intunesim.Options{})
	c := newCaller(b, sim)
	csr := build(b, device.CSR{Subject: "CN=a", Challenge: newChallenge(b, sim, intunesim.Challenge{})})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got := c.validate("transaction-1", csr); got != "Success" {
				b.Fatal(got)
			}
		}
	})
}
