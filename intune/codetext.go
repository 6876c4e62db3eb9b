package intune

const (
	syncAgain = "Let the device sync with Intune, which gives it a new challenge."
	checkTime = "Check the clocks of CA and device, then let the device sync with Intune for a new challenge."
	tampered  = "Let the device sync again; if it stays, compare the device's request with the SCEP profile, for somebody may have altered it."
	otherMDM  = "Check that the device is enrolled in this tenant and that the SCEP profile points to this CA."
)

// codes has a sentence for each code and one for what can be done about it.
var codes = map[Code]struct{ explanation, advice string }{
	CodeUnknown: {"Intune met an error that it has no code for.",
		"Try again; if it stays, ask Microsoft's support about the activity id."},
	CodeSuccess: {"Intune accepted the request.", ""},
	CodeCertificateRequestDecodingFailed: {"Intune could not read the certificate request.",
		"Check that the device sends a PKCS#10 request and that nothing between device and CA changes it."},
	CodeChallengePasswordMissing: {"The certificate request has no challenge password.",
		"Only devices with a SCEP profile from Intune can enrol here; check what sent the request."},
	CodeChallengeDeserializationError: {"The challenge is not one that Intune made.",
		"Check that the device got its SCEP profile from Intune; a challenge of another system does not work here."},
	CodeChallengeDecryptionError: {"Intune could not decrypt the challenge.", syncAgain},
	CodeChallengeDecodingError:   {"Intune could not decode the challenge.", syncAgain},
	CodeChallengeInvalidTimestamp: {"The time inside the challenge is not valid.",
		checkTime},
	CodeChallengeExpired: {"The challenge is older than the 60 minutes that it is valid for.",
		"Let the device sync with Intune for a new challenge; if it stays, find out what delays the request."},
	CodeSubjectNameMissing: {"The certificate request has no subject, and the SCEP profile asks for one.",
		"Check the subject name format in the SCEP profile."},
	CodeSubjectNameMismatch: {"The subject of the certificate request is not the one in the SCEP profile.",
		tampered},
	CodeSubjectAltNameMissing: {"The certificate request lacks a subject alternative name that the SCEP profile asks for.",
		"Check that user and device have the attributes that the profile's subject alternative names are made of."},
	CodeSubjectAltNameMismatch: {"The subject alternative names of the certificate request are not those in the SCEP profile.",
		tampered},
	CodeKeyUsageMismatch: {"The key usage of the certificate request is not the one in the SCEP profile.",
		"Compare the profile's key usage with the request; if the profile changed, let the device sync."},
	CodeKeyLengthMismatch: {"The key of the certificate request is not as long as the SCEP profile says.",
		"Compare the profile's key size with what the device supports."},
	CodeEnhancedKeyUsageMissing: {"The certificate request has no extended key usage, and the SCEP profile asks for one.",
		"Compare the profile's extended key usage with what the device supports."},
	CodeEnhancedKeyUsageMismatch: {"The extended key usage of the certificate request is not the one in the SCEP profile.",
		"Compare the profile's extended key usage with the request; if the profile changed, let the device sync."},
	CodeAadKeyIdentifierListMissing: {"The challenge has no list of keys that the device registered in Microsoft Entra ID.",
		"Register the device in Microsoft Entra ID again, then let it sync."},
	CodeRegisteredKeyMismatch: {"The key of the certificate request is none that the device registered in Microsoft Entra ID.",
		"Register the device in Microsoft Entra ID again, then let it sync."},
	CodeSigningCertThumbprintMismatch: {"The challenge was signed with a certificate that Intune does not expect.",
		syncAgain},
	CodeScepProfileNoLongerTargetedToTheClient: {"The SCEP profile is no longer assigned to this device or user.",
		"Assign the SCEP profile to the device's or user's group again, if the device is to have a certificate."},
	CodeSignatureValidationFailed: {"The signature of the challenge is not valid.",
		tampered},
	CodeBadCertificateRequestIDInChallenge: {"The challenge names a certificate request that Intune does not know.",
		syncAgain},
	CodeBadDeviceIDInChallenge: {"The challenge belongs to another device, or to one that Intune does not know.",
		otherMDM},
	CodeBadUserIDInChallenge: {"The challenge belongs to another user, or to one that Intune does not know.",
		otherMDM},
	CodeBadTenantIDInChallenge: {"The challenge belongs to another tenant.",
		"Check that tenant and clientID in the configuration belong to the tenant that manages the device."},
}
