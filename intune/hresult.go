package intune

import "fmt"

// HResult is an error of the CA as Windows counts them, which Intune's console
// shows to the administrator. Negative values are errors.
//
// https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-erref/
type HResult int32

// Values from [MS-ERREF], section 2.1.1, that a CA has use for.
const (
	HResultUnexpected      HResult = -0x7fff0001 // 0x8000FFFF E_UNEXPECTED: anything else
	HResultFail            HResult = -0x7fffbffb // 0x80004005 E_FAIL: unspecified failure
	HResultAccessDenied    HResult = -0x7ff8fffb // 0x80070005 E_ACCESSDENIED
	HResultInvalidArgument HResult = -0x7ff8ffa9 // 0x80070057 E_INVALIDARG
	HResultTimeout         HResult = -0x7ff8fa4c // 0x800705B4 ERROR_TIMEOUT: out of time
	HResultCryptoFailure   HResult = -0x7ff6ffe0 // 0x80090020 NTE_FAIL: the key did not sign
	HResultBadSubject      HResult = -0x7ff6bfff // 0x80094001 CERTSRV_E_BAD_REQUESTSUBJECT
	HResultPolicyDenied    HResult = -0x7ff6bfee // 0x80094012 CERTSRV_E_TEMPLATE_DENIED
	HResultKeyLength       HResult = -0x7ff6b7ef // 0x80094811 CERTSRV_E_KEY_LENGTH
	HResultInvalidName     HResult = -0x7ff4feec // 0x800B0114 CERT_E_INVALID_NAME
)

// hresults has the name that Windows gives to each value, what it means when it comes from
// a CA, and what can be done about it. Intune's console shows the value beside the
// description that the CA sent with it.
var hresults = map[HResult]struct{ name, explanation, advice string }{
	HResultUnexpected: {"E_UNEXPECTED", "The CA met an error that no other value fits, or could not deliver a certificate that Intune had accepted already.",
		"Look the transaction up in the CA's log: err says what happened. The device asks again at its next sync."},
	HResultFail: {"E_FAIL", "The device closed the connection before the CA could sign the certificate.",
		"Let the device sync again; if it stays, look at the network and at the time-outs of a proxy between device and CA."},
	HResultAccessDenied: {"E_ACCESSDENIED", "The CA itself refused to issue: its policy, its template or a webhook of its operator.",
		"Look the transaction up in the CA's log: err names the rule. Change the rule, or the SCEP profile."},
	HResultInvalidArgument: {"E_INVALIDARG", "The CA could not use a value of the certificate request.",
		"Look the transaction up in the CA's log, and compare the request with the SCEP profile."},
	HResultTimeout: {"ERROR_TIMEOUT", "The CA ran out of time before it could sign the certificate.",
		"Look the transaction up in the CA's log: it says how long Intune took to answer. Let the device sync again; raise timeout in the configuration only if this stays."},
	HResultCryptoFailure: {"NTE_FAIL", "The key of the CA could not sign.",
		"Check the CA's key, and the key management system that holds it."},
	HResultBadSubject: {"CERTSRV_E_BAD_REQUESTSUBJECT", "The CA cannot put the subject of the request into a certificate.",
		"Check the subject name format in the SCEP profile."},
	HResultPolicyDenied: {"CERTSRV_E_TEMPLATE_DENIED", "The certificate template of the CA goes beyond what Intune approved.",
		"Correct options.x509.template of the provisioner: it may leave parts out, but adds no name, no usage and no subject."},
	HResultKeyLength: {"CERTSRV_E_KEY_LENGTH", "The key of the request is shorter than the CA asks for.",
		"Raise the key size in the SCEP profile, or lower minimumPublicKeyLength of the provisioner."},
	HResultInvalidName: {"CERT_E_INVALID_NAME", "A name in the request is none that the CA may certify.",
		"Compare the names in the SCEP profile with the CA's policy and name constraints."},
}

// String returns the value in the form that Windows prints, with its name.
func (h HResult) String() string {
	s := fmt.Sprintf("0x%08X", uint32(h))
	if name := hresults[h].name; name != "" {
		s += " (" + name + ")"
	}
	return s
}
