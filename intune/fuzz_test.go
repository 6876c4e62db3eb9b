package intune

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// addRecorded seeds a fuzz test with every answer of the recording.
func addRecorded(f *testing.F, more ...string) {
	for _, c := range loadRecording(f).Cases {
		for _, r := range c.Requests {
			f.Add([]byte(r.Response.Body))
		}
	}
	for _, s := range more {
		f.Add([]byte(s))
	}
}

// FuzzAnswer compares with a plain reading: what is approved must say Success
// to every reader.
func FuzzAnswer(f *testing.F) {
	addRecorded(f, `{"code":"Success","Code":"Unknown","errorDescription":""}`, `{"code":"Success"}`, "")
	f.Fuzz(func(t *testing.T, body []byte) {
		o := readAnswer(body)
		var plain map[string]any
		err := json.Unmarshal(body, &plain)
		if o.err == nil && (err != nil || plain["code"] != "Success" || plain["errorDescription"] == nil) {
			t.Errorf("approved: %q", body)
		}
		if o.err != nil {
			checkText(t, o.err.Error())
			if o.err.Kind == ErrRefused && (o.err.Code == CodeSuccess || o.err.Code == "") {
				t.Errorf("refused with code %q: %q", o.err.Code, body)
			}
		}
	})
}

// checkText holds for everything that goes into errors and logs.
func checkText(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) || len(s) > 4*maxText || strings.ContainsAny(s, "\n\r\x00") {
		t.Errorf("not fit for a log: %q", s)
	}
}

func FuzzRevocationRequests(f *testing.F) {
	addRecorded(f, `{"value":[]}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := parseRevocationRequests(body)
		if err != nil && list != nil {
			t.Error("a list and an error")
		}
		for _, r := range list {
			if r.Context == "" || r.SerialNumber == "" {
				t.Errorf("taken: %+v", r)
			}
		}
	})
}

func FuzzUploadAnswer(f *testing.F) {
	addRecorded(f, `{"value":false}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		var plain struct{ Value *bool }
		if o := readUpload(body); o.err == nil && (json.Unmarshal(body, &plain) != nil || plain.Value == nil || !*plain.Value) {
			t.Errorf("taken: %q", body)
		}
	})
}

func FuzzFault(f *testing.F) {
	addRecorded(f,
		`{"error":{"code":"InternalError","message":"{\"Message\":\"x - Activity ID: y\",\"CustomApiErrorPhrase\":\"\",\"RetryAfter\":null}"}}`,
		`{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		fault := parseFault(body)
		checkText(t, fault.String())
		if fault.retryAfter < 0 || fault.retryAfter > longestWait {
			t.Errorf("wait of %s", fault.retryAfter)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "1.5", "-1", "NaN", "1e400", "Fri, 31 Dec 1999 23:59:59 GMT", "00:00:05", "99999999999999999999"} {
		f.Add(s)
	}
	now := time.Now()
	f.Add(now.Add(time.Minute).UTC().Format(http.TimeFormat))
	f.Fuzz(func(t *testing.T, s string) {
		if d := parseRetryAfter(s, now); d < 0 || d > longestWait {
			t.Errorf("%q means %s", s, d)
		}
	})
}

func FuzzLoginFault(f *testing.F) {
	addRecorded(f, aadstsBody, `{"error":{"code":"x"}}`, `{"error":"invalid_grant","error_codes":[700016]}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		fault := parseLoginFault(body)
		checkText(t, redact(fault.text(), "secret"))
		if fault.advice(false) == "" || fault.advice(true) == "" {
			t.Error("no advice")
		}
	})
}

// FuzzTokenAnswer has MSAL read the answer: what it makes of it must neither
// come out in an error nor plan a renewal that never or always is due.
func FuzzTokenAnswer(f *testing.F) {
	addRecorded(f, aadstsBody, `{"token_type":"Bearer","expires_in":3599,"refresh_in":1,"access_token":"t"}`,
		`{"expires_on":"99999999999","access_token":"t"}`, `{"expires_in":-1,"access_token":"t"}`,
		`{"expires_in":"9223372036854775807","refresh_in":"-9223372036854775808","access_token":"t"}`, `{"expires_in":1}`, `[`)
	f.Fuzz(func(t *testing.T, body []byte) {
		client := newStubClient(t, &stub{answer: always("token", 200, string(body))}, func(c *Config) { c.Retries = 0 })
		e, err := client.loadToken(t.Context(), "scope")
		now := time.Now()
		switch {
		case err != nil:
			checkText(t, err.Error())
			if e != nil || strings.Contains(err.Error(), stubSecret) {
				t.Errorf("%v beside %v", e, err)
			}
		case e.value == "":
			t.Error("an empty token is taken")
		case e.expires.After(now) && !e.renew.Before(e.expires.Add(time.Minute)):
			t.Errorf("renewed at %s, after its end at %s", e.renew, e.expires)
		}
	})
}

func FuzzEndpointList(f *testing.F) {
	addRecorded(f, servicesAt("https://fef.manage.microsoft.com"), `{"value":[],"@odata.nextLink":"https://graph.microsoft.com/v1.0/x"}`)
	client := newStubClient(f, &stub{})
	f.Fuzz(func(t *testing.T, body []byte) {
		l := location{services: make(map[string]string)}
		next, err := l.add(body)
		if err != nil {
			return
		}
		if client.onGraph(next) && !strings.HasPrefix(strings.ToLower(next), "https://graph.microsoft.com") {
			t.Errorf("the Graph token would go to %q", next)
		}
		for _, name := range []string{scepService, revocationService} {
			if _, err := client.serviceURL(l, name); err != nil {
				checkText(t, err.Error())
			}
		}
	})
}

func FuzzServiceHost(f *testing.F) {
	for _, s := range []string{"https://fef.msua06.manage.microsoft.com/x", "http://manage.microsoft.com", "https://a@manage.microsoft.com", "https://[::1]/", "//x", "https://manage.microsoft.com:443"} {
		f.Add(s)
	}
	hosts, err := parseHosts([]string{"manage.microsoft.com"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := hosts.check(uri)
		if err != nil {
			return
		}
		r, err := http.NewRequest(http.MethodPost, u.JoinPath("x").String(), nil)
		if err != nil {
			return // no token goes anywhere
		}
		host := strings.ToLower(r.URL.Hostname())
		if r.URL.Scheme != "https" || host != "manage.microsoft.com" && !strings.HasSuffix(host, ".manage.microsoft.com") {
			t.Errorf("a token would go to %q because of %q", r.URL, uri)
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add("e30.eyJhdWQiOiJ4IiwiZXhwIjoxLCJyb2xlcyI6WyJ5Il19.x")
	f.Add("e30.eyJhdWQiOlsieCJdfQ.x")
	f.Add("opaque")
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := parseClaims(token); err != nil && (c.Audience != nil || c.Roles != nil) {
			t.Errorf("claims beside an error: %+v", c)
		}
	})
}

func FuzzCSR(f *testing.F) {
	der, _ := recordedCSR(f)
	f.Add(der)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		if checkCSR(der) == nil && (len(der) < 10 || der[0] != 0x30) {
			t.Errorf("taken: % x", der)
		}
	})
}

func FuzzSecretFile(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfsecret\r\n"))
	f.Add([]byte("two\nlines"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseSecret(data); err == nil && (s == "" || strings.ContainsAny(string(s), "\r\n\x00")) {
			t.Errorf("taken: %q", string(s))
		}
	})
}

func FuzzDistinguishedName(f *testing.F) {
	f.Add(readCertificate(f, "sign-byte.pem").RawIssuer)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		if s, err := DistinguishedName(der); err != nil && s != "" {
			t.Errorf("%q beside an error", s)
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("text with secret inside", "secret")
	f.Add(strings.Repeat("A", 200), "")
	f.Add(strings.Repeat("0", 78)+"\x18"+strings.Repeat("0", 64), "secret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := redact(text, secret)
		checkText(t, got)
		if longRun.MatchString(got) {
			t.Errorf("%q holds what looks like a token", got)
		}
	})
}
