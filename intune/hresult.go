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

var hresultNames = map[HResult]string{
	HResultUnexpected:      "E_UNEXPECTED",
	HResultFail:            "E_FAIL",
	HResultAccessDenied:    "E_ACCESSDENIED",
	HResultInvalidArgument: "E_INVALIDARG",
	HResultTimeout:         "ERROR_TIMEOUT",
	HResultCryptoFailure:   "NTE_FAIL",
	HResultBadSubject:      "CERTSRV_E_BAD_REQUESTSUBJECT",
	HResultPolicyDenied:    "CERTSRV_E_TEMPLATE_DENIED",
	HResultKeyLength:       "CERTSRV_E_KEY_LENGTH",
	HResultInvalidName:     "CERT_E_INVALID_NAME",
}

// String returns the value in the form that Windows prints, with its name.
func (h HResult) String() string {
	s := fmt.Sprintf("0x%08X", uint32(h))
	if name := hresultNames[h]; name != "" {
		s += " (" + name + ")"
	}
	return s
}
