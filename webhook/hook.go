package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// Host is the host of every hook's URL. The top-level domain is reserved (RFC 2606), so
// that a call that misses the round tripper ends nowhere.
const Host = "step-ca-intune.invalid"

// Kind is the kind of a webhook in step-ca's configuration.
type Kind string

const (
	// SCEPChallenge hooks are asked before a certificate is signed.
	SCEPChallenge Kind = "SCEPCHALLENGE"
	// Notifying hooks are told how a request ended.
	Notifying Kind = "NOTIFYING"
)

// A Receiver decides on challenges and hears of outcomes. The context of each call is
// that of the SCEP request.
type Receiver interface {
	// ValidateChallenge returns the data that templates see, or an error, which denies the
	// request. The error is for the receiver's own log: the device never sees it.
	ValidateChallenge(context.Context, Challenge) (data any, err error)
	// Notify is told that a certificate was issued or that a request failed. An error cuts
	// the answer to the device off: step-ca ignores what a NOTIFYING hook answers.
	Notify(context.Context, Notification) error
}

// Challenge is what step-ca asks a SCEPCHALLENGE hook.
type Challenge struct {
	TransactionID string // free text chosen by the SCEP client
	RequestID     string // step-ca's request id, which leads to its access log
	CSR           []byte // DER, PKCS #10, as the device sent it; the password is inside
	Password      string // the challenge password as step-ca read it: a secret
}

// Notification is what step-ca tells a NOTIFYING hook.
type Notification struct {
	TransactionID string
	CSR           []byte // DER
	Certificate   []byte // DER; nil when the request failed
	Failure       string // step-ca's description of the failure
}

// Hook is one webhook of one provisioner.
type Hook struct {
	// ID names the hook in step-ca's X-Smallstep-Webhook-ID header. Random and public.
	ID string
	// Secret is the base64 form of the key that step-ca signs calls with. Random for each
	// process; step-ca shows it nowhere.
	Secret string

	kind        Kind
	provisioner string
	key         []byte
	receiver    Receiver
}

// NewHook returns a hook of the given kind for the provisioner with the given name.
func NewHook(kind Kind, provisioner string, r Receiver) *Hook {
	id, key := make([]byte, 16), make([]byte, 32)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the process instead
	_, _ = rand.Read(key)
	return &Hook{
		ID:          hex.EncodeToString(id),
		Secret:      base64.StdEncoding.EncodeToString(key),
		kind:        kind,
		provisioner: provisioner,
		key:         key,
		receiver:    r,
	}
}

// Kind returns the hook's kind.
func (h *Hook) Kind() Kind { return h.kind }

// URL returns the address that step-ca calls. It holds the id alone, since step-ca reads
// URLs as Go templates and a provisioner's name could be one.
func (h *Hook) URL() string { return "https://" + Host + "/" + h.ID }

// signed reports whether signature, in hex, is that of body under the hook's key.
func (h *Hook) signed(body []byte, signature string) bool {
	got, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, h.key)
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}
