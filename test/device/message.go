package device

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/smallstep/scep"
)

var (
	oidMessageType    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 2}
	oidPKIStatus      = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 3}
	oidFailInfo       = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 4}
	oidSenderNonce    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 5}
	oidRecipientNonce = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 6}
	oidTransactionID  = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 7}
	oidFailInfoText   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 24, 1}
)

// Message is a pkiMessage ready to be sent, any number of times. One made by
// hand with nothing but DER sends those bytes, whatever they are.
type Message struct {
	// DER is the body of the HTTP request.
	DER []byte

	// TransactionID is the one in DER.
	TransactionID string

	request     *Request
	nonce       []byte
	key         *rsa.PrivateKey
	certificate *x509.Certificate
}

// Prepare encrypts a request for the CA and signs it with a certificate that
// the device makes for itself, as RFC 8894 section 2.3 has it for a first
// enrolment. Intune's devices renew in the same way.
func (c *Client) Prepare(r *Request) (*Message, error) {
	to, err := recipient(c.CA)
	if err != nil {
		return nil, err
	}
	envelope, err := envelop(r.DER, to)
	if err != nil {
		return nil, err
	}
	m := &Message{TransactionID: r.TransactionID, request: r, nonce: make([]byte, 16)}
	rand.Read(m.nonce)
	if m.TransactionID == "" {
		id := make([]byte, 20)
		rand.Read(id)
		m.TransactionID = hex.EncodeToString(id)
	}
	if m.key, _ = r.Key.(*rsa.PrivateKey); m.key == nil {
		m.key = pooledKey()
	}
	if m.certificate = r.Certificate; m.certificate == nil {
		if m.certificate, err = SelfSign(m.key); err != nil {
			return nil, fmt.Errorf("making the device's own certificate: %w", err)
		}
	}
	if err := m.sign(envelope); err != nil {
		return nil, fmt.Errorf("signing the SCEP message: %w", err)
	}
	return m, nil
}

// SelfSign makes a certificate that a device signs for itself.
func SelfSign(key *rsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "SCEP device"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     profileKeyUsage,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (m *Message) sign(envelope []byte) error {
	signed, err := pkcs7.NewSignedData(envelope)
	if err != nil {
		return err
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	messageType := m.request.MessageType
	if messageType == "" {
		messageType = scep.PKCSReq
	}
	err = signed.AddSigner(m.certificate, m.key, pkcs7.SignerInfoConfig{
		ExtraSignedAttributes: []pkcs7.Attribute{
			{Type: oidTransactionID, Value: m.TransactionID},
			{Type: oidMessageType, Value: messageType},
			{Type: oidSenderNonce, Value: m.nonce},
		},
	})
	if err != nil {
		return err
	}
	m.DER, err = signed.Finish()
	return err
}
