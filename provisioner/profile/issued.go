package profile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	stdasn1 "encoding/asn1"
	"errors"
	"slices"
	"time"
)

var (
	oidSubjectKeyID   = stdasn1.ObjectIdentifier{2, 5, 29, 14}
	oidCRLPoints      = stdasn1.ObjectIdentifier{2, 5, 29, 31}
	oidPolicies       = stdasn1.ObjectIdentifier{2, 5, 29, 32}
	oidAuthorityKeyID = stdasn1.ObjectIdentifier{2, 5, 29, 35}
	oidAuthorityInfo  = stdasn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
)

// CheckIssued compares issued, a certificate that a CA has signed, with
// template, which it was given to sign: subject, names, usages, key, validity,
// and the extensions: those that template spells out, and no other beside those
// that follow from its fields.
func CheckIssued(template, issued *x509.Certificate) error {
	want, err := readEffective(template)
	if err != nil {
		return err
	}
	got, err := readEffective(&x509.Certificate{
		RawSubject:      issued.RawSubject,
		ExtraExtensions: issued.Extensions,
	})
	if err != nil {
		return err
	}
	key, ok := issued.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok || !key.Equal(template.PublicKey):
		return errors.New("the key is not the one to be certified")
	case template.SerialNumber != nil && template.SerialNumber.Cmp(issued.SerialNumber) != 0:
		return errors.New("the serial number is not the one to be certified")
	case !bytes.Equal(got.subject, want.subject):
		return errors.New("the subject is not the one to be certified")
	case !slices.EqualFunc(got.sans, want.sans, func(a, b SAN) bool { return a.key() == b.key() }):
		return errors.New("the subject alternative names are not those to be certified")
	case got.hasSAN && got.critical != want.critical:
		return errors.New("the subject alternative names are not as critical as they were")
	case got.keyUsage != want.keyUsage:
		return errors.New("the key usage is not the one to be certified")
	case !slices.Equal(got.usages, want.usages):
		return errors.New("the extended key usage is not the one to be certified")
	// A certificate counts in whole seconds.
	case !issued.NotBefore.Equal(template.NotBefore.Truncate(time.Second)),
		!issued.NotAfter.Equal(template.NotAfter.Truncate(time.Second)):
		return errors.New("the validity is not the one to be certified")
	}
	for _, extension := range issued.Extensions {
		if findExtension(template.ExtraExtensions, extension.Id) == nil && !followsFromFields(template, extension.Id) {
			return errors.New("extension " + extension.Id.String() + " was not to be certified")
		}
	}
	for _, extension := range template.ExtraExtensions {
		found := findExtension(issued.Extensions, extension.Id)
		if found == nil || found.Critical != extension.Critical || !bytes.Equal(found.Value, extension.Value) {
			return errors.New("extension " + extension.Id.String() + " is missing or changed")
		}
	}
	return nil
}

// followsFromFields reports whether signing template yields an extension of this
// kind though template does not spell it out. CheckIssued has looked into those of
// names, usages and basic constraints; the key identifiers are the CA's.
func followsFromFields(template *x509.Certificate, id stdasn1.ObjectIdentifier) bool {
	switch {
	case id.Equal(oidSubjectKeyID), id.Equal(oidAuthorityKeyID), id.Equal(oidKeyUsage),
		id.Equal(oidExtKeyUsage), id.Equal(oidSAN), id.Equal(oidBasicConstraints):
		return true
	case id.Equal(oidPolicies):
		return len(template.PolicyIdentifiers)+len(template.Policies) > 0
	case id.Equal(oidCRLPoints):
		return len(template.CRLDistributionPoints) > 0
	case id.Equal(oidAuthorityInfo):
		return len(template.OCSPServer)+len(template.IssuingCertificateURL) > 0
	}
	return false
}
