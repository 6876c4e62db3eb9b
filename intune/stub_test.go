package intune

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	stubTenant = "contoso.onmicrosoft.com"
	stubClient = "11111111-2222-3333-4444-555555555555"
	stubSecret = "stub~secret"
)

// stub plays Microsoft inside a transport, so that time can be faked. answer
// may replace the nth answer to an operation; nil leaves it as it is.
type stub struct {
	answer func(operation string, n int, r *http.Request) (*http.Response, error)
	life   int // of tokens, in seconds

	mu    sync.Mutex
	calls map[string]int
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	op := stubOperation(r)
	s.mu.Lock()
	if s.calls == nil {
		s.calls = make(map[string]int)
	}
	s.calls[op]++
	n := s.calls[op]
	s.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if s.answer != nil {
		if res, err := s.answer(op, n, r); res != nil || err != nil {
			return res, err
		}
	}
	switch op {
	case "configuration":
		return answerWith(200, openIDConfiguration("https://login.microsoftonline.com/", stubTenant)), nil
	case "token":
		life := s.life
		if life == 0 {
			life = 3599
		}
		return answerWith(200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":%d,"access_token":"stub-token-%d"}`, life, n)), nil
	case "discovery":
		return answerWith(200, servicesAt("https://fef.msua06.manage.microsoft.com")), nil
	case "downloadRevocationRequests":
		return answerWith(200, `{"value":[]}`), nil
	case "uploadRevocationResults":
		return answerWith(200, `{"value":true}`), nil
	}
	return answerWith(200, `{"code":"Success","errorDescription":""}`), nil
}

func stubOperation(r *http.Request) string {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/openid-configuration"):
		return "configuration"
	case strings.HasSuffix(path, "/oauth2/v2.0/token"):
		return "token"
	case strings.HasSuffix(path, "/endpoints"):
		return "discovery"
	}
	return path[strings.LastIndex(path, "/")+1:]
}

func (s *stub) count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// seen is the number of calls by operation.
func (s *stub) seen() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

func servicesAt(base string) string {
	return fmt.Sprintf(`{"value":[{"providerName":"ScepRequestValidationFEService","uri":"%[1]s/RACerts/Scep/"},`+
		`{"providerName":"PkiConnectorFEService","uri":"%[1]s/TrafficGateway/Pki"}]}`, base)
}

func answerWith(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// always answers one operation in the same way for ever.
func always(operation string, status int, body string, headers ...string) func(string, int, *http.Request) (*http.Response, error) {
	return firstTimes(operation, 1<<30, status, body, headers...)
}

// firstTimes answers an operation in the same way the first times.
func firstTimes(operation string, times, status int, body string, headers ...string) func(string, int, *http.Request) (*http.Response, error) {
	return func(op string, n int, _ *http.Request) (*http.Response, error) {
		if op != operation || n > times {
			return nil, nil
		}
		return answerWith(status, body, headers...), nil
	}
}

// wholeJitter makes delays known: the longest that they can be.
func wholeJitter(d time.Duration) time.Duration { return d }

func stubConfig(s *stub) Config {
	return Config{
		Tenant: stubTenant, ClientID: stubClient, Credential: ClientSecret(stubSecret),
		CallerInfo: "StubCA 1.0", Retries: 2, base: s, jitter: wholeJitter,
	}
}

func newStubClient(t testing.TB, s *stub, change ...func(*Config)) *Client {
	t.Helper()
	cfg := stubConfig(s)
	for _, c := range change {
		c(&cfg)
	}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
