package status_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

const (
	here      = "127.0.0.1:50000"
	elsewhere = "192.0.2.1:50000"
	loopback  = "127.0.0.1:9190"
)

// asked is a request with what decides whether it is answered.
type asked struct {
	method, path string
	peer, host   string
	header       map[string]string
}

func ask(t *testing.T, b *status.Board, a asked) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), a.method, "http://"+loopback+a.path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = a.host
	for key, value := range a.header {
		r.Header.Set(key, value)
	}
	return from(b, a.peer, r).Code
}

// The handlers do not know of statusAllowRemote: whatever it says, this holds.
func TestNamesAndReportsAreForThisMachineAlone(t *testing.T) {
	b := status.NewBoard("1.2.3")
	b.Show(newFakeCA())
	const form = "application/x-www-form-urlencoded"
	json := map[string]string{"Content-Type": "application/json"}
	for name, test := range map[string]struct {
		asked
		want int
	}{
		"this machine, by address":         {asked{"GET", "/status", here, "127.0.0.1:9190", nil}, 200},
		"this machine, by name":            {asked{"GET", "/status", here, "localhost:9190", nil}, 200},
		"this machine, by name in capital": {asked{"GET", "/status", here, "LOCALHOST", nil}, 200},
		"this machine, over IPv6":          {asked{"GET", "/status", "[::1]:50000", "[::1]:9190", nil}, 200},
		"this machine, over mapped IPv6":   {asked{"GET", "/status", "[::ffff:127.0.0.1]:50000", "[::1]", nil}, 200},
		"another machine":                  {asked{"GET", "/status", elsewhere, "ca.contoso.example:9190", nil}, 403},
		"another machine with our Host":    {asked{"GET", "/status", elsewhere, loopback, nil}, 403},
		"a peer without address":           {asked{"GET", "/status", "@", loopback, nil}, 403},
		"a rebound name":                   {asked{"GET", "/status", here, "attacker.example:9190", nil}, 403},
		"a rebound name like ours":         {asked{"GET", "/status", here, "127.0.0.1.attacker.example", nil}, 403},
		"a rebound name with our ending":   {asked{"GET", "/status", here, "attacker.localhost:9190", nil}, 403},
		"a Host with a user":               {asked{"GET", "/status", here, "localhost@attacker.example", nil}, 403},
		"no Host":                          {asked{"GET", "/status", here, "", nil}, 403},
		"a network address as Host":        {asked{"GET", "/status", here, "192.0.2.7:9190", nil}, 403},
		"the list":                         {asked{"GET", "/reports", here, loopback, nil}, 200},
		"the list, another machine":        {asked{"GET", "/reports", elsewhere, loopback, nil}, 403},
		"the list, a rebound name":         {asked{"GET", "/reports", here, "attacker.example", nil}, 403},
		"one report":                       {asked{"GET", "/reports/1", here, loopback, nil}, 200},
		"one report, another machine":      {asked{"GET", "/reports/1", elsewhere, loopback, nil}, 403},
		"one report, a rebound name":       {asked{"GET", "/reports/1", here, "attacker.example", nil}, 403},
		"retry":                            {asked{"POST", "/reports/1/retry", here, loopback, json}, 200},
		"retry with a charset":             {asked{"POST", "/reports/1/retry", here, loopback, map[string]string{"Content-Type": "Application/JSON; charset=utf-8"}}, 200},
		"drop":                             {asked{"POST", "/reports/1/drop", here, loopback, json}, 200},
		"drop, another machine":            {asked{"POST", "/reports/1/drop", elsewhere, loopback, json}, 403},
		"drop, a rebound name":             {asked{"POST", "/reports/1/drop", here, "attacker.example:9190", json}, 403},
		"drop without a media type":        {asked{"POST", "/reports/1/drop", here, loopback, nil}, 415},
		"drop from a form":                 {asked{"POST", "/reports/1/drop", here, loopback, map[string]string{"Content-Type": form}}, 415},
		"drop from a form as text":         {asked{"POST", "/reports/1/drop", here, loopback, map[string]string{"Content-Type": "text/plain"}}, 415},
		"drop with two media types":        {asked{"POST", "/reports/1/drop", here, loopback, map[string]string{"Content-Type": "text/plain, application/json"}}, 415},
		"drop from another site": {asked{"POST", "/reports/1/drop", here, loopback,
			map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}}, 403},
		"drop from another origin": {asked{"POST", "/reports/1/drop", here, loopback,
			map[string]string{"Content-Type": "application/json", "Origin": "https://attacker.example"}}, 403},
		"drop from another port of this machine": {asked{"POST", "/reports/1/drop", here, loopback,
			map[string]string{"Content-Type": "application/json", "Origin": "http://127.0.0.1:8080"}}, 403},
		"asking whether a page may": {asked{"OPTIONS", "/reports/1/drop", here, loopback,
			map[string]string{"Origin": "https://attacker.example", "Access-Control-Request-Method": "POST"}}, 405},
		"drop by a link":          {asked{"GET", "/reports/1/drop", here, loopback, nil}, 405},
		"retry by a link":         {asked{"GET", "/reports/1/retry", here, loopback, nil}, 405},
		"removal":                 {asked{"DELETE", "/reports/1", here, loopback, json}, 405},
		"health, another machine": {asked{"GET", "/healthz", elsewhere, "ca.contoso.example", nil}, 200},
		"ready, another machine":  {asked{"GET", "/readyz", elsewhere, "ca.contoso.example", nil}, 200},
		"metrics":                 {asked{"GET", "/metrics", elsewhere, "ca.contoso.example", nil}, 200},
		"anything else":           {asked{"GET", "/", here, loopback, nil}, 404},
		"a profile":               {asked{"GET", "/debug/pprof/", here, loopback, nil}, 404},
	} {
		if got := ask(t, b, test.asked); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

func TestARefusedPostChangesNothing(t *testing.T) {
	ca := newFakeCA()
	b := status.NewBoard("1.2.3")
	b.Show(ca)
	json := map[string]string{"Content-Type": "application/json"}
	for _, a := range []asked{
		{"POST", "/reports/1/drop", elsewhere, loopback, json},
		{"POST", "/reports/1/drop", here, "attacker.example", json},
		{"POST", "/reports/1/drop", here, loopback, nil},
		{"GET", "/reports/1/drop", here, loopback, json},
	} {
		if code := ask(t, b, a); code < 400 {
			t.Errorf("%+v: %d", a, code)
		}
	}
	if len(ca.reports.done) > 0 {
		t.Errorf("done: %q", ca.reports.done)
	}
	ask(t, b, asked{"POST", "/reports/1/drop", here, loopback, json})
	if len(ca.reports.done) != 1 {
		t.Errorf("the allowed one did %q", ca.reports.done)
	}
}

func TestNoAnswerMayBeKeptOrGuessed(t *testing.T) {
	b := status.NewBoard("1.2.3")
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/status", "/reports"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+loopback+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := from(b, here, r).Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}
