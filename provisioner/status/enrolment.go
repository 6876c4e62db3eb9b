package status

import (
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// Enrolment is how one request of a device has ended. The texts hold no secret.
type Enrolment struct {
	Time        time.Time `json:"time"`
	Provisioner string    `json:"provisioner"`
	// Outcome is one of the four that the log knows: issued, refused, failed, unreported.
	Outcome string `json:"outcome"`
	// Code is Intune's, empty when it gave none.
	Code        intune.Code `json:"code,omitempty"`
	Explanation string      `json:"explanation,omitempty"` // of the code
	Advice      string      `json:"advice,omitempty"`
	Transaction string      `json:"transaction"`
	Request     string      `json:"request,omitempty"` // step-ca's request id
	Subject     string      `json:"subject"`
	Error       string      `json:"error,omitempty"`

	// What it took, 0 for what did not happen.
	Validation   time.Duration `json:"-"`
	Signing      time.Duration `json:"-"`
	Notification time.Duration `json:"-"`
	Whole        time.Duration `json:"-"`
}

// Outcomes of an enrolment.
const (
	Issued     = "issued"
	Refused    = "refused"
	Failed     = "failed"
	Unreported = "unreported"
)

// Enrolled notes how a request has ended.
func (b *Board) Enrolled(e Enrolment) {
	e.Time = time.Now()
	if e.Code != "" {
		e.Explanation = e.Code.Explanation()
	}
	b.metrics.enrolled(&e)
	b.recent.add(e)
}

// Called notes an attempt at a call to Microsoft, of a provisioner.
func (b *Board) Called(provisioner string, a intune.Attempt) {
	b.metrics.called(provisioner, &a)
	b.calls.add(provisioner, &a)
}

// codeLabel is one of a bounded set: an unknown code can be any text.
func codeLabel(e *Enrolment) string {
	switch {
	case e.Code.Known():
		return string(e.Code)
	case e.Code != "":
		return "other"
	case e.Outcome == Issued:
		return string(intune.CodeSuccess)
	}
	return "none"
}
