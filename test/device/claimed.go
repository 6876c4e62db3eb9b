package device

import (
	"net/http"

	"github.com/smallstep/pkcs7"
	"github.com/smallstep/scep"
)

// Claimed returns the status that an answer gives itself, before [Client.Check] has looked
// whether that can be believed. Empty: it is no SCEP answer.
func (r *Result) Claimed() scep.PKIStatus {
	if r.HTTPStatus != http.StatusOK {
		return ""
	}
	p7, err := pkcs7.Parse(r.Body)
	if err != nil {
		return ""
	}
	var status scep.PKIStatus
	if err := p7.UnmarshalSignedAttribute(oidPKIStatus, &status); err != nil {
		return ""
	}
	return status
}
