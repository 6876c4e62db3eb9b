package profile

// Bounds on what is read. They are far above what devices send (Intune's
// challenges, which are the largest part of a request, have some kilobytes) and
// keep certificates small enough for a TLS handshake and a smart card.
const (
	maxRequest           = 32 << 10 // bytes, challenge included; the database takes records of 60 kB, in base64
	maxAttributes        = 32
	maxExtensions        = 32
	maxSubject           = 8 << 10 // bytes
	maxSubjectAttributes = 64
	maxSANs              = 100
	maxSANBytes          = 16 << 10
	maxUsages            = 32
	maxKeyLength         = 8192 // bits; as crypto/tls
)

// minKeyLength is the shortest RSA key, in bits, that any profile accepts. NIST
// SP 800-57 gives shorter ones a strength below 112 bits.
const minKeyLength = 2048
