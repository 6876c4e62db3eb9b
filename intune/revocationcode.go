package intune

// RevocationCode says why a certificate was not revoked. Microsoft tries
// requests with a code from RevocationRetry on again, the others not.
type RevocationCode int

// The codes of Microsoft's library.
const (
	RevocationNone           RevocationCode = 0    // it was revoked
	RevocationFailed         RevocationCode = 4000 // general, final
	RevocationBadData        RevocationCode = 4001 // the request cannot be read
	RevocationBadParameter   RevocationCode = 4002 // a value is not valid
	RevocationCryptography   RevocationCode = 4003 // a key or signature failed
	RevocationNotFound       RevocationCode = 4004 // no such certificate
	RevocationConflict       RevocationCode = 4005 // revoked already
	RevocationNotSupported   RevocationCode = 4006 // this CA cannot revoke
	RevocationTooLarge       RevocationCode = 4007 // the request is too large
	RevocationRetry          RevocationCode = 4100 // general, try again
	RevocationUnavailable    RevocationCode = 4101 // the CA is not available
	RevocationBusy           RevocationCode = 4102 // the CA is too busy
	RevocationAuthentication RevocationCode = 4103 // the CA does not accept the caller
)

func (c RevocationCode) known() bool {
	return c == RevocationNone ||
		RevocationFailed <= c && c <= RevocationTooLarge ||
		RevocationRetry <= c && c <= RevocationAuthentication
}
