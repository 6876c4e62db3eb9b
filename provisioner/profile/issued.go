package profile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// CheckIssued compares issued, a certificate that a CA has signed, with
// template, which it was given to sign: subject, names, usages, key, validity,
// and the extensions that template spells out.
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
	for _, extension := range template.ExtraExtensions {
		found := findExtension(issued.Extensions, extension.Id)
		if found == nil || found.Critical != extension.Critical || !bytes.Equal(found.Value, extension.Value) {
			return errors.New("extension " + extension.Id.String() + " is missing or changed")
		}
	}
	return nil
}
