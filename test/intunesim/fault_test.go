package intunesim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func addFault(t testing.TB, sim *intunesim.Server, f intunesim.Fault) {
	t.Helper()
	if err := sim.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

func TestADelayCountsAsTimeAtIntune(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after %t", after), func(t *testing.T) {
			sim := start(t, intunesim.Options{})
			c := newCaller(t, sim)
			der := build(t, device.CSR{Subject: "CN=a", Challenge: newChallenge(t, sim, intunesim.Challenge{})})
			const delay = 30 * time.Millisecond
			addFault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Delay: delay, After: after})
			resp, err := sim.HTTPClient().Do(c.request(scepPath+"validateRequest", validation("transaction-1", der)))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if took := sim.Stats().Answering; took < delay {
				t.Errorf("the answer took %s", took)
			}
		})
	}
}

func TestFaultsSpoilAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  intunesim.Fault
		status int
		header [2]string
		body   string // in the answer; "=" in front: all of it
	}{
		{"a status is an error in Microsoft's form", intunesim.Fault{Status: 500}, 500, [2]string{}, `{"error":{"code":"InternalError","message":"{\"CustomApiErrorPhrase\"`},
		{"a status below 400 is empty", intunesim.Fault{Status: 204}, 204, [2]string{}, "="},
		{"status 200 alone is empty", intunesim.Fault{Status: 200}, 200, [2]string{}, "="},
		{"a body is sent as it stands", intunesim.Fault{Body: "<html>"}, 200, [2]string{}, "=<html>"},
		{"a body goes with a status", intunesim.Fault{Status: 502, Body: "<html>"}, 502, [2]string{}, "=<html>"},
		{"a code is a refusal with HTTP 200", intunesim.Fault{Code: "SubjectNameMismatch", ErrorDescription: "no"}, 200, [2]string{}, `"code":"SubjectNameMismatch","errorDescription":"no"}`},
		{"a delay to wait alone means 503", intunesim.Fault{RetryAfter: 1500 * time.Millisecond}, 503, [2]string{"Retry-After", "2"}, `"ServiceUnavailable"`},
		{"a status has a delay to wait", intunesim.Fault{Status: 429, RetryAfter: time.Minute}, 429, [2]string{"Retry-After", "60"}, `"TooManyRequests"`},
		{"a redirect", intunesim.Fault{Status: 307, Header: map[string]string{"Location": "https://elsewhere.example/"}}, 307, [2]string{"Location", "https://elsewhere.example/"}, "="},
		{"a header alone leaves the answer", intunesim.Fault{Header: map[string]string{"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}}, 200, [2]string{"Date", "Thu, 01 Jan 1970 00:00:00 GMT"}, `"code":"Success"`},
		{"a delay leaves the answer", intunesim.Fault{Delay: time.Millisecond}, 200, [2]string{}, `"code":"Success"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sim := start(t, intunesim.Options{})
			c := newCaller(t, sim)
			der := build(t, device.CSR{Subject: "CN=a", Challenge: newChallenge(t, sim, intunesim.Challenge{})})
			test.fault.Operation, test.fault.Times = intunesim.OpValidate, 2
			addFault(t, sim, test.fault)
			for range 2 {
				client := &http.Client{Transport: sim.HTTPClient().Transport, CheckRedirect: noRedirect}
				resp, err := client.Do(c.request(scepPath+"validateRequest", validation("transaction-1", der)))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != test.status {
					t.Errorf("status %d, want %d", resp.StatusCode, test.status)
				}
				if got := resp.Header.Get(test.header[0]); got != test.header[1] {
					t.Errorf("%s: %q, want %q", test.header[0], got, test.header[1])
				}
				if whole, ok := strings.CutPrefix(test.body, "="); ok && string(body) != whole || !strings.Contains(string(body), strings.TrimPrefix(test.body, "=")) {
					t.Errorf("body %q, want %q", body, test.body)
				}
			}
			if got := c.validate("transaction-1", der); got != "Success" {
				t.Errorf("after the fault's two times: %q", got)
			}
		})
	}
}

func TestFaultsOfEveryOperation(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	graph := getToken(t, sim, sim.URL()+"/.default")
	addFault(t, sim, intunesim.Fault{Operation: intunesim.OpToken, Times: 1, Code: "7000222"})
	if status, answer := postForm(t, sim, intunesim.DefaultTenant, secretForm(sim.URL()+"/.default")); status != 401 || answer["error"] != "invalid_client" {
		t.Errorf("token got %d %v", status, answer)
	}
	for _, operation := range []intunesim.Operation{
		intunesim.OpToken, intunesim.OpDiscovery, intunesim.OpValidate, intunesim.OpSuccess,
		intunesim.OpFailure, intunesim.OpDownload, intunesim.OpUpload,
	} {
		addFault(t, sim, intunesim.Fault{Operation: operation, Times: 1, Status: 418})
		req := c.request(scepPath+string(operation), object{})
		switch operation {
		case intunesim.OpToken:
			req.URL.Path = "/" + intunesim.DefaultTenant + "/oauth2/v2.0/token"
		case intunesim.OpDiscovery:
			req.URL.Path, req.Method = endpoint, http.MethodGet
			req.Header.Set("Authorization", "Bearer "+graph)
		case intunesim.OpDownload, intunesim.OpUpload:
			req.URL.Path = pkiPath + string(operation)
		}
		if status, answer := c.send(req); status != 418 || answer["error"] == nil {
			t.Errorf("%s got %d %v", operation, status, answer)
		}
	}
}

func TestAFaultWithoutTimesLastsUntilCleared(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	der := build(t, device.CSR{Challenge: newChallenge(t, sim, intunesim.Challenge{})})
	addFault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Code: "ChallengeExpired"})
	for range 5 {
		if got := c.validate("transaction-1", der); got != "ChallengeExpired" {
			t.Fatalf("code %q", got)
		}
	}
	sim.ClearFaults()
	if got := c.validate("transaction-1", der); got != "Success" {
		t.Errorf("code %q", got)
	}
}

func TestFaultsOfOneOperationFollowOneAnother(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	for _, code := range []string{"first", "second"} {
		addFault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Times: 1, Code: code})
	}
	for _, want := range []string{"first", "second", "ChallengePasswordMissing"} {
		if got := c.validate("transaction-1", build(t, device.CSR{})); got != want {
			t.Errorf("code %q, want %q", got, want)
		}
	}
}

func TestADropCutsTheConnection(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	for _, http2 := range []bool{false, true} {
		transport := transportOf(sim, http2)
		defer transport.CloseIdleConnections()
		sim.ClearRequests()
		addFault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Times: 1, Drop: true})
		client := &http.Client{Transport: transport}
		ask := func() (*http.Response, error) { return client.Do(c.request(scepPath+"validateRequest", object{})) }
		if resp, err := ask(); err == nil {
			t.Errorf("answered %s", resp.Status)
		}
		if all := sim.Requests(); len(all) != 1 || all[0].Status != 0 {
			t.Errorf("recorded %+v", all)
		}
		before := sim.Stats().Connections
		resp, err := ask()
		check(t, err)
		readJSON(t, resp)
		if after := sim.Stats().Connections; after != before+1 {
			t.Errorf("HTTP/2 %t: the cut connection still serves", http2)
		}
	}
}

func TestADelayEndsWhenTheClientHangsUp(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			sim := start(t, intunesim.Options{})
			c := newCaller(t, sim)
			transport := transportOf(sim, protocol == "HTTP/2.0")
			defer transport.CloseIdleConnections()
			der := build(t, device.CSR{Subject: "CN=a", Challenge: newChallenge(t, sim, intunesim.Challenge{})})
			reached, gone := make(chan struct{}), make(chan struct{})
			addFault(t, sim, intunesim.Fault{
				Operation: intunesim.OpValidate, Times: 1, Delay: time.Hour,
				Reached: func() { close(reached) }, Gone: func() { close(gone) },
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			req := c.request(scepPath+"validateRequest", validation("transaction-1", der)).WithContext(ctx)
			if _, err := (&http.Client{Transport: transport}).Do(req); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			if got := sim.Requests()[1].Proto; got != protocol {
				t.Errorf("protocol %s", got)
			}
			<-gone // or the test runs into its time-out
			if got := c.code("successNotification", success("transaction-1", der, nil)); got != "Unknown" {
				t.Errorf("code %q", got)
			}
		})
	}
}

func TestACallIsHeldUntilTheTestLetsItGo(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	reached, hold := make(chan struct{}), make(chan struct{})
	addFault(t, sim, intunesim.Fault{
		Operation: intunesim.OpValidate, Times: 1, Hold: hold, Reached: func() { close(reached) },
	})
	der := build(t, device.CSR{Challenge: newChallenge(t, sim, intunesim.Challenge{})})
	code := make(chan string)
	go func() { code <- c.validate("transaction-1", der) }()
	<-reached
	if all := sim.Requests(); all[len(all)-1].Status != 0 {
		t.Errorf("answered already: %+v", all[len(all)-1])
	}
	close(hold)
	if got := <-code; got != "Success" {
		t.Errorf("code %q", got)
	}
}

func TestAFaultAfterTheCallLosesTheAnswerOnly(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	der := build(t, device.CSR{Challenge: newChallenge(t, sim, intunesim.Challenge{DeviceID: "device-1"})})
	c.validate("transaction-1", der)
	for _, f := range []intunesim.Fault{{Drop: true}, {Status: 500}} {
		f.Operation, f.Times, f.After = intunesim.OpSuccess, 1, true
		addFault(t, sim, f)
		resp, err := sim.HTTPClient().Do(c.request(scepPath+"successNotification", success("transaction-1", der, nil)))
		if err == nil && resp.StatusCode != f.Status {
			t.Errorf("answered %s", resp.Status)
		}
		if all := sim.Certificates(); len(all) != 1 || all[0].State != intunesim.StateIssued {
			t.Errorf("listed: %+v", all)
		}
	}
}

func TestAFaultCanBeAMatterOfChance(t *testing.T) {
	sim := start(t, intunesim.Options{})
	c := newCaller(t, sim)
	addFault(t, sim, intunesim.Fault{Operation: intunesim.OpValidate, Probability: 0.5, Code: "by chance"})
	got := map[string]int{}
	for i := range 100 {
		got[c.validate(strconv.Itoa(i), build(t, device.CSR{Key: deviceKey()}))]++
	}
	// Less than 10 of 100 heads or tails happens once in 10^17 runs.
	if got["by chance"] < 10 || got["ChallengePasswordMissing"] < 10 {
		t.Errorf("codes: %v", got)
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	sim := start(t, intunesim.Options{})
	for name, f := range map[string]intunesim.Fault{
		"operation":     {Operation: "tokens", Status: 500},
		"no operation":  {Status: 500},
		"status":        {Operation: intunesim.OpToken, Status: 99},
		"times":         {Operation: intunesim.OpToken, Times: -1},
		"probability":   {Operation: intunesim.OpToken, Probability: 2},
		"AADSTS number": {Operation: intunesim.OpToken, Code: "SubjectNameMismatch"},
	} {
		if sim.AddFault(f) == nil {
			t.Errorf("a fault with an impossible %s was taken", name)
		}
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
