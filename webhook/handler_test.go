package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	stepca "github.com/smallstep/certificates/webhook"
)

// receiver remembers what it was told and answers as it is set.
type receiver struct {
	challenges    []Challenge
	notifications []Notification
	data          any
	err           error
	panics        bool
}

func (r *receiver) ValidateChallenge(_ context.Context, c Challenge) (any, error) {
	if r.panics {
		panic("receiver")
	}
	r.challenges = append(r.challenges, c)
	return r.data, r.err
}

func (r *receiver) Notify(_ context.Context, n Notification) error {
	if r.panics {
		panic("receiver")
	}
	r.notifications = append(r.notifications, n)
	return r.err
}

// dead is the network behind the round tripper; no call of ours may reach it.
type dead struct{ calls int }

func (d *dead) RoundTrip(*http.Request) (*http.Response, error) {
	d.calls++
	return nil, errors.New("unreachable")
}

func challengeCall() stepca.RequestBody {
	return stepca.RequestBody{
		Timestamp:              time.Now(),
		ProvisionerName:        "intune",
		X509CertificateRequest: &stepca.X509CertificateRequest{Raw: []byte("csr")},
		SCEPChallenge:          "challenge",
		SCEPTransactionID:      "tx+/=1",
	}
}

func failureCall() stepca.RequestBody {
	c := challengeCall()
	c.ProvisionerName, c.SCEPChallenge, c.SCEPErrorDescription = "", "", "policy"
	return c
}

// request signs a body as step-ca does for the hook with the given id and secret.
func request(t *testing.T, hook *Hook, secret string, body any) *http.Request {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(raw)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, hook.URL(), bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Smallstep-Signature", hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-Smallstep-Webhook-ID", hook.ID)
	r.Header.Set("X-Request-Id", "request-1")
	return r
}

// send makes a call through the round tripper and returns the answer.
func send(t *testing.T, h *Handler, r *http.Request) stepca.ResponseBody {
	t.Helper()
	next := new(dead)
	resp, err := h.RoundTripper(next).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d: step-ca repeats what is not 200", resp.StatusCode)
	}
	if next.calls != 0 {
		t.Error("the call left the process")
	}
	var answer stepca.ResponseBody
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestChallengeIsAllowedWithTheReceiversData(t *testing.T) {
	rec := &receiver{data: map[string]any{"subject": "x"}}
	hook := NewHook(SCEPChallenge, "intune", rec)
	answer := send(t, NewHandler(nil, hook), request(t, hook, hook.Secret, challengeCall()))
	if data, _ := answer.Data.(map[string]any); !answer.Allow || data["subject"] != "x" {
		t.Errorf("answer %+v", answer)
	}
	want := []Challenge{{TransactionID: "tx+/=1", RequestID: "request-1", CSR: []byte("csr"), Password: "challenge"}}
	if !reflect.DeepEqual(rec.challenges, want) {
		t.Errorf("receiver got %+v", rec.challenges)
	}
}

func TestNotificationsReachTheReceiver(t *testing.T) {
	rec := new(receiver)
	hook := NewHook(Notifying, "intune", rec)
	h := NewHandler(nil, hook)
	send(t, h, request(t, hook, hook.Secret, failureCall()))
	issued := failureCall()
	issued.SCEPErrorDescription = ""
	issued.X509Certificate = &stepca.X509Certificate{Raw: []byte("cert")}
	send(t, h, request(t, hook, hook.Secret, issued))
	if len(rec.notifications) != 2 || rec.notifications[0].Failure != "policy" || rec.notifications[0].Certificate != nil ||
		string(rec.notifications[1].Certificate) != "cert" {
		t.Errorf("receiver got %+v", rec.notifications)
	}
}

func TestCallsAreRefused(t *testing.T) {
	rec := new(receiver)
	hook := NewHook(SCEPChallenge, "intune", rec)
	notify := NewHook(Notifying, "intune", rec)
	other := NewHook(SCEPChallenge, "other", rec)
	failing := NewHook(SCEPChallenge, "intune", &receiver{err: errors.New("no")})
	panicking := NewHook(SCEPChallenge, "intune", &receiver{panics: true})
	h := NewHandler(nil, hook, notify, other, failing, panicking)

	stale := challengeCall()
	stale.Timestamp = time.Now().Add(-time.Minute)
	future := challengeCall()
	future.Timestamp = time.Now().Add(time.Minute)
	noCSR := challengeCall()
	noCSR.X509CertificateRequest = nil

	tests := map[string]*http.Request{
		"signed with another hook's secret":         request(t, hook, other.Secret, challengeCall()),
		"signed with an empty secret":               request(t, hook, "", challengeCall()),
		"a NOTIFYING body for a SCEPCHALLENGE hook": request(t, hook, hook.Secret, failureCall()),
		"a SCEPCHALLENGE body for a NOTIFYING hook": request(t, notify, notify.Secret, challengeCall()),
		"another provisioner's challenge":           request(t, other, other.Secret, challengeCall()),
		"an old time stamp":                         request(t, hook, hook.Secret, stale),
		"a time stamp of the future":                request(t, hook, hook.Secret, future),
		"no certificate request":                    request(t, hook, hook.Secret, noCSR),
		"not JSON":                                  request(t, hook, hook.Secret, nil),
		"refused by the receiver":                   request(t, failing, failing.Secret, challengeCall()),
		"the receiver panics":                       request(t, panicking, panicking.Secret, challengeCall()),
		"an unknown address":                        request(t, NewHook(SCEPChallenge, "intune", rec), hook.Secret, challengeCall()),
	}
	wrongID := request(t, hook, hook.Secret, challengeCall())
	wrongID.Header.Set("X-Smallstep-Webhook-ID", other.ID)
	tests["another hook's id"] = wrongID
	unsigned := request(t, hook, hook.Secret, challengeCall())
	unsigned.Header.Del("X-Smallstep-Signature")
	tests["no signature"] = unsigned
	get := request(t, hook, hook.Secret, challengeCall())
	get.Method = http.MethodGet
	tests["method GET"] = get
	changed := request(t, hook, hook.Secret, challengeCall())
	body, _ := io.ReadAll(changed.Body)
	changed.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), "tx", "ty", 1)))
	tests["a changed body"] = changed
	long := challengeCall()
	long.SCEPTransactionID = strings.Repeat("x", maxBody)
	tests["more than 16 MiB"] = request(t, hook, hook.Secret, long)
	once, err := json.Marshal(challengeCall())
	if err != nil {
		t.Fatal(err)
	}
	twice := strings.Replace(string(once), `"scepChallenge":`, `"scepChallenge":"another","scepChallenge":`, 1)
	tests["a challenge twice"] = request(t, hook, hook.Secret, json.RawMessage(twice))

	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil && p != http.ErrAbortHandler {
					panic(p)
				}
			}()
			if answer := send(t, h, r); answer.Allow {
				t.Error("allowed")
			}
		})
	}
	if len(rec.challenges)+len(rec.notifications) != 0 {
		t.Errorf("the receiver heard of %d challenges and %d notifications", len(rec.challenges), len(rec.notifications))
	}
}

func TestAReplayedCallIsRefused(t *testing.T) {
	rec := new(receiver)
	hook := NewHook(SCEPChallenge, "intune", rec)
	h := NewHandler(nil, hook)
	body := challengeCall()
	for i, want := range []bool{true, false, false} {
		if answer := send(t, h, request(t, hook, hook.Secret, body)); answer.Allow != want {
			t.Errorf("call %d: allowed = %t", i+1, answer.Allow)
		}
	}
	// Also at the end of its freshness.
	h.now = func() time.Time { return body.Timestamp.Add(freshness) }
	if send(t, h, request(t, hook, hook.Secret, body)).Allow {
		t.Error("allowed at the end of its freshness")
	}
	if len(rec.challenges) != 1 {
		t.Errorf("the receiver was asked %d times", len(rec.challenges))
	}
}

func TestOtherHostsPassUntouched(t *testing.T) {
	next := new(dead)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/"+NewHook(Notifying, "", nil).ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := NewHandler(nil).RoundTripper(next).RoundTrip(r); err == nil {
		resp.Body.Close()
		t.Error("answered inside the process")
	}
	if next.calls != 1 {
		t.Errorf("passed on %d times", next.calls)
	}
}

func TestANotificationThatGoesWrongCutsTheAnswerOff(t *testing.T) {
	stale := failureCall()
	stale.Timestamp = time.Now().Add(-time.Minute)
	for name, test := range map[string]struct {
		receiver *receiver
		body     stepca.RequestBody
	}{
		"the receiver says so": {&receiver{err: errors.New("the certificate must not leave")}, failureCall()},
		"the receiver panics":  {&receiver{panics: true}, failureCall()},
		"the call is stale":    {new(receiver), stale},
		"the call is another":  {new(receiver), challengeCall()},
	} {
		t.Run(name, func(t *testing.T) {
			hook := NewHook(Notifying, "intune", test.receiver)
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("recovered %v", p)
				}
			}()
			send(t, NewHandler(nil, hook), request(t, hook, hook.Secret, test.body))
			t.Error("answered")
		})
	}
}

func TestAReplayIsKnownAsLongAsItsTimeStampIsFresh(t *testing.T) {
	g, now := newReplayGuard(), time.Now()
	other := func(at time.Time, signature string) {
		if err := g.admit(signature, at, at); err != nil {
			t.Fatal(err)
		}
	}
	other(now, "first")
	stamp := now.Add(59 * time.Second).Add(freshness) // of the future, as far as is admitted
	if err := g.admit("replayed", stamp, now.Add(59*time.Second)); err != nil {
		t.Fatal(err)
	}
	other(now.Add(61*time.Second), "turns the generations")
	if g.admit("replayed", stamp, now.Add(62*time.Second)) == nil {
		t.Error("admitted again by the older generation")
	}
}
