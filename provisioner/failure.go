package provisioner

import (
	"errors"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// explainFailure returns what Intune's console shows for an error of the CA: an HRESULT
// of [MS-ERREF] and a description, which the client cuts to Microsoft's 255 characters.
func explainFailure(res result) (intune.HResult, string) {
	var template *templateError
	switch err := res.err; {
	case errors.Is(err, errTooLate):
		return intune.HResultTimeout, "The CA ran out of time before it could sign the certificate."
	case errors.Is(err, errHungUp):
		return intune.HResultFail, "The device closed the connection before the CA could sign the certificate."
	case errors.Is(err, errAbandoned):
		return intune.HResultUnexpected, "The CA did not finish the request."
	case errors.As(err, &template):
		return intune.HResultPolicyDenied, "The CA's certificate template goes beyond what Intune approved: " + template.err.Error()
	case res.accepted:
		return intune.HResultUnexpected, "The CA could not deliver the certificate and has revoked it: " + err.Error()
	default:
		// step-ca's policy, its template or an operator's webhook; step-ca gives only a text.
		return intune.HResultAccessDenied, "The CA refused to issue the certificate: " + err.Error()
	}
}
