package intune_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
	cfg := simConfig(sim)
	cfg.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
	cfg.Observer = func(_ context.Context, a intune.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		if a.Duration <= 0 || a.Operation == "validateRequest" && (a.ActivityID == "" || a.TransactionID != "tx") {
			t.Errorf("%+v", a)
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
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || strings.Contains(log.String(), "level=DEBUG") {
		t.Errorf("the log says\n%s", log.String())
	}
}
