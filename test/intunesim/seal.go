package intunesim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"
)

// challenger makes challenges and opens them: signed with one key, then
// encrypted to another, as Intune's are.
type challenger struct {
	tenantID   string
	signingKey *ecdsa.PrivateKey
	signing    *root // the certificate that every challenge carries
	thumbprint string
	stranger   *ecdsa.PrivateKey
	decryption *ecdh.PrivateKey
}

func newChallenger(tenantID string) (*challenger, error) {
	signing, err := createRoot()
	if err != nil {
		return nil, err
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a stranger's key: %w", err)
	}
	decryption, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the decryption key: %w", err)
	}
	hash := sha1.Sum(signing.certificate.Raw)
	return &challenger{
		tenantID: tenantID, signingKey: signing.key, signing: signing, stranger: stranger,
		decryption: decryption, thumbprint: strings.ToUpper(hex.EncodeToString(hash[:])),
	}, nil
}

// envelope is what gets encrypted.
type envelope struct {
	Payload     []byte `json:"payload"`
	Signature   []byte `json:"signature"`
	Certificate []byte `json:"certificate"`
	// Filler brings challenges to the length of real ones, which varies.
	Filler string `json:"filler"`
}

// seal makes the challenge: base64 of a version byte, an ephemeral X25519 key
// and the AES-GCM sealed envelope.
func (ch *challenger) seal(p *payload, flaw Flaw) (string, error) {
	p.SigningCertThumbprint = ch.thumbprint
	key := ch.signingKey
	switch flaw {
	case FlawThumbprint:
		p.SigningCertThumbprint = strings.Repeat("0", 40)
	case FlawSignature:
		key = ch.stranger
	}
	inside, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encoding the challenge: %w", err)
	}
	hash := sha256.Sum256(inside)
	signature, err := ecdsa.SignASN1(rand.Reader, key, hash[:])
	if err != nil {
		return "", fmt.Errorf("signing the challenge: %w", err)
	}
	e := envelope{Payload: inside, Signature: signature, Certificate: ch.signing.certificate.Raw}
	plain, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encoding the challenge: %w", err)
	}
	// Base64 turns 3 bytes into 4 characters: 1,600 to 2,900 bytes are well
	// within 2 to 4 kB.
	if missing := 1600 + mathrand.IntN(1200) - len(plain); missing > 0 {
		e.Filler = strings.Repeat("0", missing)
		if plain, err = json.Marshal(e); err != nil {
			return "", fmt.Errorf("encoding the challenge: %w", err)
		}
	}
	if flaw == FlawFormat {
		plain = bytes.Repeat([]byte("not a challenge "), 120)
	}
	sealed, err := ch.encrypt(plain)
	if err != nil {
		return "", err
	}
	switch flaw {
	case FlawEncryption:
		sealed[len(sealed)-1] ^= 1
	case FlawEncoding:
		return "*" + base64.StdEncoding.EncodeToString(sealed), nil
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

const challengeVersion = 1

func (ch *challenger) encrypt(plain []byte) ([]byte, error) {
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an ephemeral key: %w", err)
	}
	shared, err := ephemeral.ECDH(ch.decryption.PublicKey())
	if err != nil {
		return nil, fmt.Errorf("agreeing on a key: %w", err)
	}
	aead, err := challengeCipher(shared)
	if err != nil {
		return nil, err
	}
	out := append([]byte{challengeVersion}, ephemeral.PublicKey().Bytes()...)
	// Each key encrypts one challenge only, so a fixed nonce is safe.
	return aead.Seal(out, make([]byte, aead.NonceSize()), plain, out), nil
}

func challengeCipher(shared []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, shared, nil, "intunesim challenge", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("preparing the cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// open undoes seal and checks everything that is the challenge's own.
func (ch *challenger) open(challenge string, now time.Time) (*payload, *refusal) {
	if challenge == "" {
		return nil, refusef("ChallengePasswordMissing", "The certificate request has no challenge password.")
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(challenge)
	if err != nil {
		return nil, refusef("ChallengeDecodingError", "The challenge is not base64.")
	}
	plain, err := ch.decrypt(sealed)
	if err != nil {
		return nil, refusef("ChallengeDecryptionError", "The challenge cannot be decrypted.")
	}
	var (
		e envelope
		p payload
	)
	if json.Unmarshal(plain, &e) != nil || json.Unmarshal(e.Payload, &p) != nil {
		return nil, refusef("ChallengeDeserializationError", "The challenge is malformed.")
	}
	if p.SigningCertThumbprint != ch.thumbprint {
		return nil, refusef("SigningCertThumbprintMismatch", "The challenge names another signing certificate.")
	}
	hash := sha256.Sum256(e.Payload)
	if !ecdsa.VerifyASN1(&ch.signingKey.PublicKey, hash[:], e.Signature) {
		return nil, refusef("SignatureValidationFailed", "The challenge's signature is wrong.")
	}
	notBefore, err1 := time.Parse(time.RFC3339Nano, p.NotBefore)
	notAfter, err2 := time.Parse(time.RFC3339Nano, p.NotAfter)
	switch {
	case err1 != nil, err2 != nil, notAfter.Before(notBefore), now.Before(notBefore.Add(-5 * time.Minute)):
		return nil, refusef("ChallengeInvalidTimestamp", "The challenge's times are impossible.")
	case now.After(notAfter):
		return nil, refusef("ChallengeExpired", "The challenge has expired.")
	case !strings.EqualFold(p.TenantID, ch.tenantID):
		return nil, refusef("BadTenantIdInChallenge", "The challenge was made for another tenant.")
	}
	return &p, nil
}

func (ch *challenger) decrypt(sealed []byte) ([]byte, error) {
	const header = 1 + 32
	if len(sealed) < header || sealed[0] != challengeVersion {
		return nil, fmt.Errorf("no challenge of version %d", challengeVersion)
	}
	ephemeral, err := ecdh.X25519().NewPublicKey(sealed[1:header])
	if err != nil {
		return nil, fmt.Errorf("reading the ephemeral key: %w", err)
	}
	shared, err := ch.decryption.ECDH(ephemeral)
	if err != nil {
		return nil, fmt.Errorf("agreeing on a key: %w", err)
	}
	aead, err := challengeCipher(shared)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, make([]byte, aead.NonceSize()), sealed[header:], sealed[:header])
}
