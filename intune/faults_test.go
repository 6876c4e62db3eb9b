package intune

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const aadstsBody = `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: stub~secret. Trace ID: 1","error_codes":[7000215]}`

type script = func(string, int, *http.Request) (*http.Response, error)

// fails lets a transport error happen the first times.
func fails(operation string, times int, err error) script {
	return func(op string, n int, _ *http.Request) (*http.Response, error) {
		if op == operation && n <= times {
			return nil, err
		}
		return nil, nil
	}
}

func hangs(operation string) script {
	return func(op string, _ int, r *http.Request) (*http.Response, error) {
		if op != operation {
			return nil, nil
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
}

var errReset = errors.New("connection reset by peer")

// failureCase tells what a fault of one kind costs. calls are those of
// validateRequest, tokens and lookups those to Entra ID and Graph; without
// faults they are 1, 2 and 1.
type failureCase struct {
	name                   string
	answer                 script
	retries                int
	calls, tokens, lookups int
	elapsed                time.Duration
	kind                   error // nil: approved in the end
	status                 int
}

var failureCases = []failureCase{
	{name: "nothing is wrong", calls: 1, tokens: 2, lookups: 1},
	{name: "Intune refuses", answer: always("validateRequest", 200, `{"code":"ChallengeExpired","errorDescription":"old"}`),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrRefused, status: 200},
	{name: "an unknown code", answer: always("validateRequest", 200, `{"code":"Sucess","errorDescription":""}`),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrRefused, status: 200},
	{name: "a passing fault, then a refusal", answer: func(op string, n int, _ *http.Request) (*http.Response, error) {
		if op != "validateRequest" {
			return nil, nil
		}
		if n == 1 {
			return answerWith(500, ""), nil
		}
		return answerWith(200, `{"code":"BadDeviceIdInChallenge","errorDescription":""}`), nil
	}, retries: 2, calls: 2, tokens: 2, lookups: 2, elapsed: 500 * time.Millisecond, kind: ErrRefused, status: 200},

	{name: "a cut connection once", answer: fails("validateRequest", 1, errReset),
		retries: 2, calls: 2, tokens: 2, lookups: 2, elapsed: 500 * time.Millisecond},
	{name: "a cut connection always", answer: fails("validateRequest", 99, errReset),
		retries: 2, calls: 3, tokens: 2, lookups: 3, elapsed: 1500 * time.Millisecond, kind: ErrUnavailable},
	{name: "a cut connection without retries", answer: fails("validateRequest", 1, errReset),
		calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable},
	{name: "an untrusted certificate", answer: fails("validateRequest", 99, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable},
	{name: "no answer at all", answer: hangs("validateRequest"),
		retries: 2, calls: 1, tokens: 2, lookups: 1, elapsed: 10 * time.Second, kind: ErrUnavailable},

	{name: "408 always", answer: always("validateRequest", 408, ""),
		retries: 2, calls: 3, tokens: 2, lookups: 1, elapsed: 1500 * time.Millisecond, kind: ErrUnavailable, status: 408},
	{name: "500 always", answer: always("validateRequest", 500, ""),
		retries: 2, calls: 3, tokens: 2, lookups: 3, elapsed: 1500 * time.Millisecond, kind: ErrUnavailable, status: 500},
	{name: "500 without retries", answer: always("validateRequest", 500, ""),
		calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 500},
	{name: "502 once", answer: firstTimes("validateRequest", 1, 502, "<html>"),
		retries: 2, calls: 2, tokens: 2, lookups: 2, elapsed: 500 * time.Millisecond},
	{name: "503 twice", answer: firstTimes("validateRequest", 2, 503, ""),
		retries: 2, calls: 3, tokens: 2, lookups: 3, elapsed: 1500 * time.Millisecond},
	{name: "504 always", answer: always("validateRequest", 504, ""),
		retries: 2, calls: 3, tokens: 2, lookups: 3, elapsed: 1500 * time.Millisecond, kind: ErrUnavailable, status: 504},
	{name: "501 is not passing", answer: always("validateRequest", 501, ""),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 501},
	{name: "503 with Retry-After in seconds", answer: firstTimes("validateRequest", 1, 503, "", "Retry-After", "3"),
		retries: 2, calls: 2, tokens: 2, lookups: 2, elapsed: 3 * time.Second},
	{name: "503 with Retry-After as a date", answer: func(op string, n int, _ *http.Request) (*http.Response, error) {
		if op != "validateRequest" || n > 1 {
			return nil, nil
		}
		return answerWith(503, "", "Retry-After", time.Now().Add(4*time.Second).UTC().Format(http.TimeFormat)), nil
	}, retries: 2, calls: 2, tokens: 2, lookups: 2, elapsed: 4 * time.Second},
	{name: "500 with RetryAfter inside Microsoft's nested body", answer: firstTimes("validateRequest", 1, 500,
		`{"error":{"code":"InternalError","message":"{\"Message\":\"busy\",\"CustomApiErrorPhrase\":null,\"RetryAfter\":5}"}}`),
		retries: 2, calls: 2, tokens: 2, lookups: 2, elapsed: 5 * time.Second},
	{name: "503 that asks for more time than there is", answer: always("validateRequest", 503, "", "Retry-After", "60"),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 503},
	{name: "429 once with Retry-After", answer: firstTimes("validateRequest", 1, 429, "", "Retry-After", "2"),
		retries: 2, calls: 2, tokens: 2, lookups: 1, elapsed: 3 * time.Second},
	{name: "429 always without Retry-After", answer: always("validateRequest", 429, ""),
		retries: 2, calls: 3, tokens: 2, lookups: 1, elapsed: 5 * time.Second, kind: ErrThrottled, status: 429},
	{name: "429 that asks for more time than there is", answer: always("validateRequest", 429, "", "Retry-After", "60"),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrThrottled, status: 429},

	{name: "401 once", answer: firstTimes("validateRequest", 1, 401, ""), calls: 2, tokens: 3, lookups: 1},
	{name: "401 always", answer: always("validateRequest", 401, ""),
		retries: 2, calls: 2, tokens: 3, lookups: 1, kind: ErrUnauthorized, status: 401},
	{name: "403 always", answer: always("validateRequest", 403, ""),
		retries: 2, calls: 2, tokens: 3, lookups: 1, kind: ErrUnauthorized, status: 403},
	{name: "404 once, the service has moved", answer: firstTimes("validateRequest", 1, 404, ""),
		retries: 2, calls: 2, tokens: 2, lookups: 2, elapsed: 500 * time.Millisecond},
	{name: "404 always", answer: always("validateRequest", 404, ""),
		retries: 2, calls: 3, tokens: 2, lookups: 3, elapsed: 1500 * time.Millisecond, kind: ErrUnavailable, status: 404},
	{name: "400", answer: always("validateRequest", 400, ""),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 400},
	{name: "a redirect", answer: always("validateRequest", 307, "", "Location", "https://fef.msua06.manage.microsoft.com/elsewhere"),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 307},
	{name: "204", answer: always("validateRequest", 204, ""),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 204},
	{name: "201 with success in it", answer: always("validateRequest", 201, `{"code":"Success","errorDescription":""}`),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 201},
	{name: "200 with HTML", answer: always("validateRequest", 200, "<html>"),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 200},
	{name: "200 with more than a megabyte", answer: always("validateRequest", 200,
		`{"code":"Success","errorDescription":"`+strings.Repeat("x", maxAnswer)+`"}`),
		retries: 2, calls: 1, tokens: 2, lookups: 1, kind: ErrUnavailable, status: 200},

	{name: "a wrong application key", answer: always("token", 401, aadstsBody),
		retries: 2, tokens: 1, kind: ErrUnauthorized, status: 401},
	{name: "Entra ID answers 503 once", answer: firstTimes("token", 1, 503, ""),
		retries: 2, calls: 1, tokens: 3, lookups: 1, elapsed: 500 * time.Millisecond},
	{name: "Entra ID answers 503 always", answer: always("token", 503, ""),
		retries: 2, tokens: 3, elapsed: 1500 * time.Millisecond, kind: ErrUnavailable, status: 503},
	{name: "Entra ID answers 429 with Retry-After", answer: firstTimes("token", 1, 429, "", "Retry-After", "1"),
		retries: 2, calls: 1, tokens: 3, lookups: 1, elapsed: 2 * time.Second},
	{name: "Entra ID cannot be reached", answer: fails("token", 99, errReset),
		retries: 2, tokens: 3, elapsed: 1500 * time.Millisecond, kind: ErrUnavailable},
	{name: "Entra ID answers HTML", answer: always("token", 200, "<html>"),
		retries: 2, tokens: 1, kind: ErrUnavailable},
	{name: "Entra ID redirects", answer: always("token", 302, "", "Location", "https://evil.example/"),
		retries: 2, tokens: 1, kind: ErrUnavailable, status: 302},
	{name: "Entra ID's configuration names another host", answer: always("configuration", 200,
		strings.ReplaceAll(openIDConfiguration("https://login.microsoftonline.com/", stubTenant),
			`"token_endpoint":"https://login.microsoftonline.com/`, `"token_endpoint":"https://evil.example/`)),
		retries: 2, kind: ErrUnavailable},
	{name: "Entra ID hangs once", answer: func(op string, n int, r *http.Request) (*http.Response, error) {
		if op != "token" || n > 1 {
			return nil, nil
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}, retries: 2, calls: 1, tokens: 3, lookups: 1, elapsed: defaultTimeout/2 + 500*time.Millisecond},
	{name: "Entra ID hangs without retries", answer: hangs("token"),
		tokens: 1, elapsed: 10 * time.Second, kind: ErrUnavailable},
	{name: "Entra ID hangs", answer: hangs("token"),
		retries: 2, tokens: 2, elapsed: 10 * time.Second, kind: ErrUnavailable},

	{name: "Graph answers 403 always", answer: always("discovery", 403, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}}`),
		retries: 2, tokens: 2, lookups: 2, kind: ErrUnauthorized, status: 403},
	{name: "Graph answers 401 once", answer: firstTimes("discovery", 1, 401, ""),
		calls: 1, tokens: 3, lookups: 2},
	{name: "Graph answers 500 once", answer: firstTimes("discovery", 1, 500, ""),
		retries: 2, calls: 1, tokens: 2, lookups: 2, elapsed: 500 * time.Millisecond},
	{name: "Graph answers no list", answer: always("discovery", 200, `{}`),
		retries: 2, tokens: 1, lookups: 1, kind: ErrUnavailable},
	{name: "Graph does not list the service", answer: always("discovery", 200, `{"value":[]}`),
		retries: 2, tokens: 1, lookups: 1, kind: ErrServiceNotFound},
	{name: "Graph lists an address that is not https", answer: always("discovery", 200, servicesAt("http://fef.manage.microsoft.com")),
		retries: 2, tokens: 1, lookups: 1, kind: ErrServiceNotFound},
	{name: "Graph lists a foreign host", answer: always("discovery", 200, servicesAt("https://evilmanage.microsoft.com")),
		retries: 2, tokens: 1, lookups: 1, kind: ErrServiceNotFound},
	{name: "Graph hangs", answer: hangs("discovery"),
		retries: 2, tokens: 1, lookups: 2, elapsed: 10 * time.Second, kind: ErrUnavailable},
}

func TestWhatAFaultCosts(t *testing.T) {
	csr, _ := recordedCSR(t)
	for _, test := range failureCases {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: test.answer}
				client := newStubClient(t, s, func(c *Config) { c.Retries = test.retries })
				begin := time.Now()
				receipt, err := client.ValidateRequest(t.Context(), "tx-1", csr)
				elapsed := time.Since(begin)
				synctest.Wait()
				if got := [3]int{s.count("validateRequest"), s.count("token"), s.count("discovery")}; got != [3]int{test.calls, test.tokens, test.lookups} {
					t.Errorf("validations, tokens, look-ups: %v, want %v", got, [3]int{test.calls, test.tokens, test.lookups})
				}
				if elapsed != test.elapsed {
					t.Errorf("it took %s, want %s", elapsed, test.elapsed)
				}
				if receipt.Attempts != test.calls || (receipt.ActivityID != "") != (test.calls > 0) {
					t.Errorf("receipt %+v for %d calls", receipt, test.calls)
				}
				checkFailure(t, test, err)
			})
		})
	}
}

func checkFailure(t *testing.T, test failureCase, err error) {
	t.Helper()
	if test.kind == nil {
		if err != nil {
			t.Errorf("not approved: %v", err)
		}
		return
	}
	var se *ServiceError
	if !errors.Is(err, test.kind) || !errors.As(err, &se) {
		t.Fatalf("the error is %v, want %v", err, test.kind)
	}
	for _, kind := range []error{ErrRefused, ErrUnavailable, ErrUnauthorized, ErrServiceNotFound, ErrThrottled} {
		want := kind == test.kind || kind == ErrUnavailable && test.kind == ErrThrottled
		if errors.Is(err, kind) != want {
			t.Errorf("errors.Is(%v, %v) is not %t", err, kind, want)
		}
	}
	if se.StatusCode != test.status || se.TransactionID != "tx-1" {
		t.Errorf("status %d, transaction %q in %v", se.StatusCode, se.TransactionID, err)
	}
	if test.elapsed == defaultTimeout && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not the end of the deadline", err)
	}
	if test.kind == ErrUnauthorized && se.Advice == "" || test.kind == ErrServiceNotFound && se.Advice == "" {
		t.Errorf("no advice in %v", err)
	}
	for _, secret := range []string{stubSecret, "stub-token", "evil.example/"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q stands in %v", secret, err)
		}
	}
}
