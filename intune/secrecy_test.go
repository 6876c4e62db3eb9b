package intune_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// TestNoSecretIsInErrorsLogsAndAttempts lets every service repeat in its answer
// what it must not, and looks everywhere.
func TestNoSecretIsInErrorsLogsAndAttempts(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	var mu sync.Mutex
	var out bytes.Buffer
	note := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&out, "%v %+v %#v\n", v, v, v)
		text, _ := json.Marshal(v)
		out.Write(text)
	}
	log := slog.New(slog.NewJSONHandler(lockedWriter{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	encoded := base64.StdEncoding.EncodeToString(csr)

	for _, op := range []intunesim.Operation{
		intunesim.OpOpenIDConfiguration, intunesim.OpToken, intunesim.OpDiscovery, intunesim.OpValidate,
	} {
		for _, status := range []int{200, 400, 401, 403, 404, 429, 500} {
			cfg := simConfig(sim)
			cfg.Logger = log
			cfg.Observer = func(_ context.Context, a intune.Attempt) {
				note(a)
				if a.Err != nil {
					note(a.Err.Error())
				}
			}
			cfg.Retries = 0
			note(cfg.Credential)
			tokens := grantedTokens(t, sim, newClient(t, cfg), csr)
			secrets := append(tokens, encoded)
			if op == intunesim.OpToken || op == intunesim.OpOpenIDConfiguration {
				secrets = append(secrets, intunesim.DefaultSecret) // others never see it
			}
			for _, body := range leakyBodies(secrets) {
				sim.ClearFaults()
				if err := sim.AddFault(intunesim.Fault{Operation: op, Status: status, Body: body}); err != nil {
					t.Fatal(err)
				}
				client := newClient(t, cfg)
				_, err := client.ValidateRequest(t.Context(), "tx", csr)
				note(err)
				var se *intune.ServiceError
				if errors.As(err, &se) {
					log.Error("failed", "err", se)
					note(*se)
				}
				if status != 429 { // for it would wait
					note(client.Check(t.Context()))
				}
			}
			sim.ClearFaults()
			for _, token := range append(secrets, encoded[200:320]) {
				if strings.Contains(out.String(), token) {
					t.Fatalf("%s, %d: a secret came out: %.40s…", op, status, token)
				}
			}
			out.Reset()
		}
	}
}

func leakyBodies(secrets []string) []string {
	secret := strings.Join(secrets, " ")
	return []string{
		`{"error":"invalid_client","error_description":"AADSTS7000215: ` + secret + `"}`,
		`{"error":{"code":"InternalError","message":"` + secret + `"}}`,
		`{"code":"NewCode","errorDescription":"` + secret + `"}`,
		`{"access_token":"` + secrets[0] + `","token_type":"Bearer"}`,
		`<html>` + secret,
	}
}

// grantedTokens are the access tokens that the client has now.
func grantedTokens(t *testing.T, sim *intunesim.Server, client *intune.Client, csr []byte) []string {
	t.Helper()
	sim.ClearFaults()
	sim.ClearRequests()
	if err := validate(t, client, csr); err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, r := range sim.Requests() {
		if h := r.Headers.Get("Authorization"); h != "" {
			tokens = append(tokens, strings.TrimPrefix(h, "Bearer "))
		}
	}
	if len(tokens) != 2 {
		t.Fatalf("%d tokens", len(tokens))
	}
	return tokens
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestTheObserverSeesEveryAttempt(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	csr := newRequest(t, sim)
	if err := sim.AddFault(intunesim.Fault{Operation: intunesim.OpValidate, Times: 1, Status: 503}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	var log bytes.Buffer
	ids := make(map[string]bool)
	cfg := simConfig(sim)
	cfg.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Observer = func(_ context.Context, a intune.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		if a.Duration <= 0 || a.Operation == "validateRequest" && (a.ActivityID == "" || a.TransactionID != "tx") {
			t.Errorf("%+v", a)
		}
		if a.Operation != "token" { // where MSAL chooses
			if ids[a.ActivityID] || a.ActivityID == "" {
				t.Errorf("%s, attempt %d has the activity id %q, not one of its own", a.Operation, a.Number, a.ActivityID)
			}
			ids[a.ActivityID] = true
		}
		got = append(got, fmt.Sprintf("%s %d %d %s %t", a.Operation, a.Number, a.StatusCode, string(a.Code), a.Retrying))
	}
	if err := validate(t, newClient(t, cfg), csr); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{
		"token 1 200  false", "discovery 1 200  false", "token 1 200  false", "validateRequest 1 503  true",
		"discovery 1 200  false", "validateRequest 2 200 Success false",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	warn, debug := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "level=DEBUG")
	if warn != 1 || debug != len(want)-1 {
		t.Errorf("the log says\n%s", log.String())
	}
	for id := range ids {
		if strings.Count(log.String(), "activity="+id) != 1 {
			t.Errorf("the attempt %s has not one line in the log", id)
		}
	}
	sent := make(map[string]bool)
	for _, r := range sim.Requests() {
		sent[r.Headers.Get("client-request-id")] = true
	}
	for id := range ids {
		if !sent[id] {
			t.Errorf("the activity id %s was not sent", id)
		}
	}
}

// TestIntuneMayRepeatWhatItWasSent puts secrets where an answer of HTTP 200 has
// room for text.
func TestIntuneMayRepeatWhatItWasSent(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-1"})
	if err != nil {
		t.Fatal(err)
	}
	csr := requestWith(t, "CN=device-1", challenge)
	var mu sync.Mutex
	var out bytes.Buffer
	cfg := simConfig(sim)
	cfg.Logger = slog.New(slog.NewJSONHandler(lockedWriter{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Observer = func(_ context.Context, a intune.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&out, "Code=%s %v\n", string(a.Code), a)
	}
	client := newClient(t, cfg)
	token := grantedTokens(t, sim, client, csr)[1]
	encoded := base64.StdEncoding.EncodeToString(csr)
	lines := func(s string, n int) string {
		var all []string
		for line := range slices.Chunk([]byte(s), n) {
			all = append(all, string(line))
		}
		return strings.Join(all, `\n`)
	}
	for name, test := range map[string]struct{ body, secret string }{
		"the token as the code":                {`{"code":"` + token + `","errorDescription":""}`, token[:40]},
		"the token's signature as the code":    {`{"code":"` + token[len(token)-60:] + `","errorDescription":""}`, token[len(token)-30:]},
		"a part of the challenge as the code":  {`{"code":"` + challenge[:64] + `","errorDescription":""}`, challenge[10:40]},
		"the request in MIME lines":            {`{"code":"New","errorDescription":"` + lines(encoded, 76) + `"}`, encoded[100:130]},
		"the request in short lines":           {`{"code":"New","errorDescription":"` + lines(encoded, 16) + `"}`, encoded[96:112]},
		"the challenge in lines":               {`{"code":"New","errorDescription":"got ` + lines(challenge, 50) + ` instead"}`, challenge[55:80]},
		"another's request in MIME lines":      {`{"code":"New","errorDescription":"` + lines(strings.Repeat("QUJD", 57), 76) + `"}`, "QUJDQUJD"},
		"Success beside a control character":   {`{"code":"Success\u0000","errorDescription":""}`, `Code=Success `},
		"a code of nothing but white space":    {`{"code":" \n","errorDescription":"unlike ` + lines(token, 30) + `"}`, token[60:80]},
		"the token in the words of an 'error'": {`{"code":"` + strings.Repeat("x ", 60) + `","errorDescription":"Bearer ` + token + ` is bad"}`, token[:40]},
	} {
		sim.ClearFaults()
		if err := sim.AddFault(intunesim.Fault{Operation: intunesim.OpValidate, Status: 200, Body: test.body}); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		err := validate(t, client, csr)
		refusal, ok := errors.AsType[*intune.ServiceError](err)
		if !ok || !errors.Is(err, intune.ErrRefused) || refusal.Code == "" || refusal.Code.Known() {
			t.Fatalf("%s: %v", name, err)
		}
		mu.Lock()
		fmt.Fprintf(&out, "%v %+v Code=%s %s", err, *refusal, string(refusal.Code), refusal.LogValue())
		if strings.Contains(out.String(), test.secret) {
			t.Errorf("%s: %q is in %s", name, test.secret, out.String())
		}
		mu.Unlock()
	}
}
