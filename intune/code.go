package intune

import "fmt"

// Code is what Intune answers to a validation or a notification. Codes that
// are not listed here keep their text, made fit for logs, and are never success.
type Code string

// The codes that Microsoft documents, and BadTenantIdInChallenge, which is
// seen though undocumented.
const (
	CodeUnknown                                Code = "Unknown"
	CodeSuccess                                Code = "Success"
	CodeCertificateRequestDecodingFailed       Code = "CertificateRequestDecodingFailed"
	CodeChallengePasswordMissing               Code = "ChallengePasswordMissing"
	CodeChallengeDeserializationError          Code = "ChallengeDeserializationError"
	CodeChallengeDecryptionError               Code = "ChallengeDecryptionError"
	CodeChallengeDecodingError                 Code = "ChallengeDecodingError"
	CodeChallengeInvalidTimestamp              Code = "ChallengeInvalidTimestamp"
	CodeChallengeExpired                       Code = "ChallengeExpired"
	CodeSubjectNameMissing                     Code = "SubjectNameMissing"
	CodeSubjectNameMismatch                    Code = "SubjectNameMismatch"
	CodeSubjectAltNameMissing                  Code = "SubjectAltNameMissing"
	CodeSubjectAltNameMismatch                 Code = "SubjectAltNameMismatch"
	CodeKeyUsageMismatch                       Code = "KeyUsageMismatch"
	CodeKeyLengthMismatch                      Code = "KeyLengthMismatch"
	CodeEnhancedKeyUsageMissing                Code = "EnhancedKeyUsageMissing"
	CodeEnhancedKeyUsageMismatch               Code = "EnhancedKeyUsageMismatch"
	CodeAadKeyIdentifierListMissing            Code = "AadKeyIdentifierListMissing"
	CodeRegisteredKeyMismatch                  Code = "RegisteredKeyMismatch"
	CodeSigningCertThumbprintMismatch          Code = "SigningCertThumbprintMismatch"
	CodeScepProfileNoLongerTargetedToTheClient Code = "ScepProfileNoLongerTargetedToTheClient"
	CodeSignatureValidationFailed              Code = "SignatureValidationFailed"
	CodeBadCertificateRequestIDInChallenge     Code = "BadCertificateRequestIdInChallenge"
	CodeBadDeviceIDInChallenge                 Code = "BadDeviceIdInChallenge"
	CodeBadUserIDInChallenge                   Code = "BadUserIdInChallenge"
	CodeBadTenantIDInChallenge                 Code = "BadTenantIdInChallenge"
)

// Known reports whether the code is one of those listed here.
func (c Code) Known() bool {
	_, ok := codes[c]
	return ok
}

// Explanation says in one sentence what the code means.
func (c Code) Explanation() string {
	if t, ok := codes[c]; ok {
		return t.explanation
	}
	return "Intune answered a code that this version does not know."
}

// Advice says what an administrator can do about it; it is empty for
// CodeSuccess.
func (c Code) Advice() string {
	if t, ok := codes[c]; ok {
		return t.advice
	}
	return "Look for a newer version of this program, and ask Microsoft's support about the activity id."
}

// String returns a known code as it is and any other one quoted and
// shortened: it comes from outside.
func (c Code) String() string {
	if c.Known() {
		return string(c)
	}
	return fmt.Sprintf("%q", clip(string(c), maxCode))
}

// maxCode bounds how much of an unknown code is kept, in bytes.
const maxCode = 64

// fit makes an unknown code fit for errors and logs: it can be any text. What
// comes out is never a code that is known.
func (c Code) fit(hide ...string) Code {
	if c == "" || c.Known() {
		return c
	}
	text := redact(string(c), hide...)
	if len(text) > maxCode {
		text = clip(text, maxCode-len("…"))
	}
	if text == "" || Code(text).Known() {
		return hidden
	}
	return Code(text)
}
