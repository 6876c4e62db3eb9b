package intune

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// recording is what Microsoft's own Java library sent.
type recording struct {
	Cases []recordedCase `json:"cases"`
}

type recordedCase struct {
	Name          string            `json:"name"`
	TransactionID string            `json:"transactionId"`
	Requests      []recordedRequest `json:"requests"`
}

type recordedRequest struct {
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers"`
	Body     any               `json:"body"`
	Response struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"`
	} `json:"response"`
}

func (r recordedRequest) isToken() bool { return strings.HasSuffix(r.Path, "/oauth2/v2.0/token") }

func loadRecording(t testing.TB) recording {
	t.Helper()
	data, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func recordedCSR(t testing.TB) (der []byte, text string) {
	t.Helper()
	data, err := os.ReadFile("testdata/csr.b64")
	if err != nil {
		t.Fatal(err)
	}
	text = strings.TrimSpace(string(data))
	der, err = base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return der, text
}

// recordedCalls does with our client what the recording did with Microsoft's.
// The success notifications of the recording carry made-up values, which our
// API derives from a certificate: there the encoder is asked.
var recordedCalls = map[string]func(ctx context.Context, c *Client, tx string, csr []byte) error{
	"validate": func(ctx context.Context, c *Client, tx string, csr []byte) error {
		_, err := c.ValidateRequest(ctx, tx, csr)
		return err
	},
	"success": func(ctx context.Context, c *Client, tx string, csr []byte) error {
		f := certificateFacts{"0D5C1F7B6E1B6E3B6F2C7A2E1F0A9B8C7D6E5F40", "0123456789ABCDEF",
			"2027-06-11T16:11:20.0904778Z", "CN=Kit Intermediate CA, O=Kit"}
		_, err := c.call(ctx, opSuccess, tx, c.successMessage(tx, csr, f, "caConfig", "certAuth"), readAnswer, nil)
		return err
	},
	"success without caConfiguration and certificateAuthority": func(ctx context.Context, c *Client, tx string, csr []byte) error {
		f := certificateFacts{"THUMB", "SERIAL", "2027-06-11T16:11:20.000Z", "authority"}
		_, err := c.call(ctx, opSuccess, tx, c.successMessage(tx, csr, f, "", ""), readAnswer, nil)
		return err
	},
	"failure": func(ctx context.Context, c *Client, tx string, csr []byte) error {
		_, err := c.SendFailureNotification(ctx, tx, csr, HResultUnexpected, "negative hresult")
		return err
	},
	"download revocations, no issuer filter": func(ctx context.Context, c *Client, _ string, _ []byte) error {
		_, _, err := c.DownloadRevocationRequests(ctx, 10, "")
		return err
	},
	"download revocations, issuer filter": func(ctx context.Context, c *Client, _ string, _ []byte) error {
		got, _, err := c.DownloadRevocationRequests(ctx, 500, "CN=Kit Intermediate CA, O=Kit")
		want := []RevocationRequest{
			{"ctx-1", "0123ABCD", "CN=Kit Intermediate CA, O=Kit", "cfg"},
			{"ctx-2", "00FF", "CN=Kit Intermediate CA, O=Kit", ""},
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			err = fmt.Errorf("got %+v", got)
		}
		return err
	},
	"upload revocation results": func(ctx context.Context, c *Client, _ string, _ []byte) error {
		_, err := c.UploadRevocationResults(ctx, []RevocationResult{
			{Context: "ctx-1", Succeeded: true},
			{Context: "ctx-2", Code: RevocationNotFound, Message: "no such cert"},
			{Context: "ctx-3", Code: RevocationRetry},
		})
		return err
	},
	"validate, refused": func(ctx context.Context, c *Client, tx string, csr []byte) error {
		_, err := c.ValidateRequest(ctx, tx, csr)
		var refusal *ServiceError
		if !errors.Is(err, ErrRefused) || !errors.As(err, &refusal) || refusal.Code != CodeSubjectNameMismatch ||
			refusal.Description != "kit description" || refusal.TransactionID != tx || refusal.ActivityID == "" {
			return fmt.Errorf("not the refusal expected: %w", err)
		}
		return nil
	},
	"validate with the default Intune resource": func(ctx context.Context, c *Client, tx string, csr []byte) error {
		_, err := c.ValidateRequest(ctx, tx, csr)
		return err
	},
}

const recordedHost = "https://localhost:8443/"

// TestRequestsEqualThoseOfMicrosoftsLibrary replays the recording: the server
// answers what the stand-in answered, and sees what our client sends.
func TestRequestsEqualThoseOfMicrosoftsLibrary(t *testing.T) {
	csr, csrText := recordedCSR(t)
	for _, recorded := range loadRecording(t).Cases {
		t.Run(recorded.Name, func(t *testing.T) {
			call, ok := recordedCalls[recorded.Name]
			if !ok {
				t.Fatal("the recording has a case that this test does not know")
			}
			server := newRawServer(t, func(s *rawServer, r rawRequest) (int, string) {
				if r.path == "/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration" {
					return 200, openIDConfiguration(s.url, "contoso.onmicrosoft.com")
				}
				for _, want := range recorded.Requests {
					if want.Path == r.path {
						return want.Response.Status, strings.ReplaceAll(string(want.Response.Body), recordedHost, s.url)
					}
				}
				return 404, "{}"
			})
			cfg := Config{
				Tenant: "contoso.onmicrosoft.com", ClientID: "11111111-2222-3333-4444-555555555555",
				Credential: ClientSecret("app-secret%7Evalue"), CallerInfo: "KitCA 1.0",
				Endpoints: Endpoints{Login: server.url, Graph: server.url, Intune: server.url},
				TLS:       &tls.Config{RootCAs: server.roots},
			}
			if strings.Contains(recorded.Name, "default Intune resource") {
				cfg.Endpoints.Intune = ""
				cfg.AllowedServiceHosts = []string{"127.0.0.1"}
			}
			client, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseIdleConnections()
			if err := call(t.Context(), client, recorded.TransactionID, csr); err != nil {
				t.Fatal(err)
			}
			compareRequests(t, server, recorded.Requests, csrText)
		})
	}
}

func compareRequests(t *testing.T, server *rawServer, recorded []recordedRequest, csrText string) {
	t.Helper()
	var seen []rawRequest
	for _, r := range server.seen() {
		if !strings.HasSuffix(r.path, "openid-configuration") { // MSAL's own
			seen = append(seen, r)
		}
	}
	if len(seen) != len(recorded) {
		t.Fatalf("%d requests, want %d", len(seen), len(recorded))
	}
	activities := make(map[string]bool)
	for i, want := range recorded {
		got := seen[i]
		if got.method != want.Method || got.path != want.Path {
			t.Errorf("request %d is %s %s, want %s %s", i, got.method, got.path, want.Method, want.Path)
			continue
		}
		if want.isToken() {
			compareToken(t, server.url, got, want)
			continue
		}
		for name, value := range want.Headers {
			if !matches(value, got.headers[name]) {
				t.Errorf("%s: header %q is %q, want %q", got.path, name, got.headers[name], value)
			}
		}
		if id := got.headers["client-request-id"]; activities[id] {
			t.Errorf("%s: the activity id %s was used before", got.path, id)
		} else {
			activities[id] = true
		}
		compareBody(t, got, want.Body, csrText)
	}
}

func compareToken(t *testing.T, server string, got rawRequest, want recordedRequest) {
	t.Helper()
	form, err := url.ParseQuery(string(got.body))
	if err != nil {
		t.Fatal(err)
	}
	body := want.Body.(map[string]any)
	scope, err := url.QueryUnescape(body["scope"].(string))
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(scope) {
		if !strings.HasPrefix(field, "https://") {
			continue // openid and others are MSAL's
		}
		field = strings.Replace(field, recordedHost, server, 1)
		if !strings.Contains(" "+form.Get("scope")+" ", " "+field+" ") {
			t.Errorf("the token is asked for %q, want %q", form.Get("scope"), field)
		}
	}
	for _, key := range []string{"client_id", "grant_type"} {
		if form.Get(key) != body[key] {
			t.Errorf("%s is %q, want %q", key, form.Get(key), body[key])
		}
	}
}

func compareBody(t *testing.T, got rawRequest, want any, csrText string) {
	t.Helper()
	if want == nil {
		if len(got.body) != 0 {
			t.Errorf("%s: there is a body: %s", got.path, got.body)
		}
		return
	}
	wanted, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	quotedCSR, _ := json.Marshal(csrText)
	wanted = []byte(strings.ReplaceAll(string(wanted), `"\u003ccsr\u003e"`, string(quotedCSR)))
	var a, b any
	if err := json.Unmarshal(wanted, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got.body, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s:\n got %s\nwant %s", got.path, got.body, wanted)
	}
}

var (
	uuidPattern  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	tokenPattern = regexp.MustCompile(`^Bearer [^ ]+$`)
)

func matches(want, got string) bool {
	switch want {
	case "<uuid>":
		return uuidPattern.MatchString(got)
	case "Bearer <token>":
		return tokenPattern.MatchString(got)
	}
	return want == got
}

func openIDConfiguration(base, tenant string) string {
	return fmt.Sprintf(`{"authorization_endpoint":"%[1]s%[2]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s%[2]s/oauth2/v2.0/token","issuer":"%[1]s%[2]s/v2.0"}`, base, tenant)
}
