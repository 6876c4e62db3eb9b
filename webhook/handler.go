package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

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

// ServeHTTP answers one call. The status is always 200.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := h.answer(r)
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		h.log.Error("answering a webhook call failed", "err", err)
	}
}

// answer decides on one call. Whatever goes wrong denies.
func (h *Handler) answer(r *http.Request) (answer stepca.ResponseBody) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.log.Error("webhook call refused", "err", fmt.Sprintf("panic: %v", p), "stack", string(debug.Stack()))
			answer = stepca.ResponseBody{}
		}
	}()
	hook, call, err := h.authenticate(r)
	if err != nil {
		h.log.Warn("webhook call refused", "err", err)
		return stepca.ResponseBody{}
	}
	if hook.kind == Notifying {
		if err := hook.receiver.Notify(r.Context(), call.notification()); err != nil {
			// The hook runs in the goroutine of the SCEP request: net/http closes the connection
			// instead of sending the answer that step-ca has built.
			panic(http.ErrAbortHandler)
		}
		return stepca.ResponseBody{Allow: true}
	}
	data, err := hook.receiver.ValidateChallenge(r.Context(), call.challenge(r.Header.Get("X-Request-Id")))
	if err != nil {
		return stepca.ResponseBody{}
	}
	return stepca.ResponseBody{Allow: true, Data: data}
}

// authenticate returns the hook and the content of a call that is what it claims to be.
func (h *Handler) authenticate(r *http.Request) (*Hook, *call, error) {
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
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the call: %w", err)
	}
	if len(raw) > maxBody {
		return nil, nil, fmt.Errorf("the call is longer than %d bytes", maxBody)
	}
	signature := r.Header.Get("X-Smallstep-Signature")
	if !hook.signed(raw, signature) {
		return nil, nil, errors.New("wrong signature")
	}
	c := new(call)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, nil, fmt.Errorf("decoding the call: %w", err)
	}
	if err := c.fits(hook); err != nil {
		return nil, nil, err
	}
	if err := h.replay.admit(signature, c.Timestamp, h.now()); err != nil {
		return nil, nil, err
	}
	return hook, c, nil
}
