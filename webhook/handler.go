package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	stepca "github.com/smallstep/certificates/webhook"
)

// maxBody bounds a call. step-ca takes SCEP messages of 2 MiB, and a request appears in
// a call's body in base64 and once more taken apart.
const maxBody = 16 << 20

// Handler serves the calls to a set of hooks. It is safe for concurrent use.
type Handler struct {
	hooks  map[string]*Hook
	replay *replayGuard
	now    func() time.Time
	log    *slog.Logger
}

// NewHandler returns a handler for hooks. Refused calls are logged to log; nil discards.
func NewHandler(log *slog.Logger, hooks ...*Hook) *Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{hooks: make(map[string]*Hook, len(hooks)), replay: newReplayGuard(), now: time.Now, log: log}
	for _, hook := range hooks {
		h.hooks[hook.ID] = hook
	}
	return h
}

// ServeHTTP answers one call, with status 200 whatever the answer, or panics with
// [http.ErrAbortHandler] where a certificate must not leave.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := h.answer(r)
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		h.log.Error("answering a webhook call failed", "err", err)
	}
}

// answer decides on one call. Whatever goes wrong denies a challenge. step-ca ignores what a
// NOTIFYING hook answers, so that a call of it that is signed and goes wrong cuts off the
// answer to the device instead: the hook runs in the goroutine of the SCEP request, and
// net/http closes the connection on [http.ErrAbortHandler].
func (h *Handler) answer(r *http.Request) (answer stepca.ResponseBody) {
	cutOff := false
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("webhook call refused", "err", fmt.Sprintf("panic: %v", p), "stack", string(debug.Stack()))
			answer = stepca.ResponseBody{}
		}
		if cutOff {
			panic(http.ErrAbortHandler)
		}
	}()
	hook, raw, err := h.authenticate(r)
	if err != nil {
		h.log.Warn("webhook call refused", "err", err)
		return stepca.ResponseBody{}
	}
	cutOff = hook.kind == Notifying
	call, err := h.read(hook, raw, r.Header.Get(signatureHeader))
	if err != nil {
		h.log.Warn("webhook call refused", "err", err)
		return stepca.ResponseBody{}
	}
	if hook.kind == Notifying {
		cutOff = hook.receiver.Notify(r.Context(), call.notification()) != nil
		return stepca.ResponseBody{Allow: !cutOff}
	}
	data, err := hook.receiver.ValidateChallenge(r.Context(), call.challenge(r.Header.Get("X-Request-Id")))
	if err != nil {
		return stepca.ResponseBody{}
	}
	return stepca.ResponseBody{Allow: true, Data: data}
}

const signatureHeader = "X-Smallstep-Signature"

// authenticate returns the hook and the body of a call that the CA has signed for it.
func (h *Handler) authenticate(r *http.Request) (*Hook, []byte, error) {
	hook, ok := h.hooks[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		return nil, nil, errors.New("no hook has this address")
	}
	if r.Method != http.MethodPost {
		return nil, nil, fmt.Errorf("method %s", r.Method)
	}
	if r.Header.Get("X-Smallstep-Webhook-ID") != hook.ID {
		return nil, nil, errors.New("the webhook id is not the one of this address")
	}
	raw, err := body(r)
	if err != nil {
		return nil, nil, err
	}
	if !hook.signed(raw, r.Header.Get(signatureHeader)) {
		return nil, nil, errors.New("wrong signature")
	}
	return hook, raw, nil
}

// body reads a call in one piece where it tells its length, as step-ca's calls do.
func body(r *http.Request) ([]byte, error) {
	// bytes.Buffer asks for room once more to find the end.
	length := min(max(r.ContentLength, 0), maxBody)
	raw := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead))
	if _, err := raw.ReadFrom(io.LimitReader(r.Body, maxBody+1)); err != nil {
		return nil, fmt.Errorf("reading the call: %w", err)
	}
	if raw.Len() > maxBody {
		return nil, fmt.Errorf("the call is longer than %d bytes", maxBody)
	}
	return raw.Bytes(), nil
}

// read returns the content of a signed call that is what it claims to be, fresh and new.
func (h *Handler) read(hook *Hook, raw []byte, signature string) (*call, error) {
	c := new(call)
	// The second version of encoding/json takes a third of the time, and knows a name
	// neither twice nor in another case.
	if err := jsonv2.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("decoding the call: %w", err)
	}
	if err := c.fits(hook); err != nil {
		return nil, err
	}
	return c, h.replay.admit(signature, c.Timestamp, h.now())
}
