package device

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/smallstep/pkcs7"
	"github.com/smallstep/scep"
)

// Result is a server's answer, checked.
type Result struct {
	// Status is scep.SUCCESS, FAILURE or PENDING, and empty when the answer was
	// no CertRep because HTTPStatus is not 200.
	Status scep.PKIStatus

	// FailInfo and FailInfoText come with scep.FAILURE.
	FailInfo     scep.FailInfo
	FailInfoText string

	// Certificate comes with scep.SUCCESS.
	Certificate *x509.Certificate

	// TransactionID is the request's.
	TransactionID string

	// HTTPStatus and Body are the answer as it came.
	HTTPStatus int
	Body       []byte
}

// read checks a CertRep as RFC 8894 section 3.1 wants it: signed by the CA,
// about this transaction, and an answer to this nonce.
func (r *Result) read(m *Message, ca []*x509.Certificate) error {
	p7, err := pkcs7.Parse(r.Body)
	if err != nil {
		return err
	}
	if err := p7.Verify(); err != nil {
		return err
	}
	signer := p7.GetOnlySigner()
	if signer == nil || !slices.ContainsFunc(ca, signer.Equal) {
		return errors.New("signed by somebody else than the CA")
	}
	var messageType scep.MessageType
	var nonce []byte
	if err := signedAttributes(p7, &messageType, &r.TransactionID, &r.Status, &nonce); err != nil {
		return err
	}
	switch {
	case messageType != scep.CertRep:
		return fmt.Errorf("message type is %q", string(messageType))
	case r.TransactionID != m.TransactionID:
		return fmt.Errorf("transaction is %q instead of %q", r.TransactionID, m.TransactionID)
	case !bytes.Equal(nonce, m.nonce):
		return errors.New("nonce is not the request's")
	}
	switch r.Status {
	case scep.SUCCESS:
		return r.open(p7.Content, m, ca)
	case scep.FAILURE:
		_ = p7.UnmarshalSignedAttribute(oidFailInfoText, &r.FailInfoText) // optional, RFC 8894 section 3.2.1.4
		return p7.UnmarshalSignedAttribute(oidFailInfo, &r.FailInfo)
	case scep.PENDING:
		return nil
	default:
		return fmt.Errorf("unknown pkiStatus %q", string(r.Status))
	}
}

func signedAttributes(p7 *pkcs7.PKCS7, messageType *scep.MessageType, id *string, status *scep.PKIStatus, nonce *[]byte) error {
	if err := p7.UnmarshalSignedAttribute(oidMessageType, messageType); err != nil {
		return fmt.Errorf("reading messageType: %w", err)
	}
	if err := p7.UnmarshalSignedAttribute(oidTransactionID, id); err != nil {
		return fmt.Errorf("reading transactionID: %w", err)
	}
	if err := p7.UnmarshalSignedAttribute(oidPKIStatus, status); err != nil {
		return fmt.Errorf("reading pkiStatus: %w", err)
	}
	if err := p7.UnmarshalSignedAttribute(oidRecipientNonce, nonce); err != nil {
		return fmt.Errorf("reading recipientNonce: %w", err)
	}
	return nil
}

// open decrypts the answer and finds the certificate for the requested key.
func (r *Result) open(envelope []byte, m *Message, ca []*x509.Certificate) error {
	p7, err := pkcs7.Parse(envelope)
	if err != nil {
		return fmt.Errorf("reading the envelope: %w", err)
	}
	content, err := p7.Decrypt(m.certificate, m.key)
	if err != nil {
		return fmt.Errorf("decrypting the envelope: %w", err)
	}
	certificates, err := scep.CACerts(content)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	if len(certificates) == 0 {
		return errors.New("success without a certificate")
	}
	certificate := certificates[0]
	public, ok := m.request.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(certificate.PublicKey) {
		return errors.New("certificate is for another key")
	}
	if !slices.ContainsFunc(ca, func(issuer *x509.Certificate) bool { return certificate.CheckSignatureFrom(issuer) == nil }) {
		return errors.New("certificate is not signed by the CA")
	}
	r.Certificate = certificate
	return nil
}
