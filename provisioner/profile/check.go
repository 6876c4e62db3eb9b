package profile

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidNameConstraints = stdasn1.ObjectIdentifier{2, 5, 29, 30}
	// oidSubjectDirectory is subjectDirectoryAttributes, a second subject.
	oidSubjectDirectory = stdasn1.ObjectIdentifier{2, 5, 29, 9}
	// oidNetscapeCertType says in other words what a certificate is for, "CA"
	// among them.
	oidNetscapeCertType = stdasn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}
	// oidApplicationPolicies is what Windows reads as extended key usage.
	oidApplicationPolicies = stdasn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 10}
)

// Check is the last word on template, which is about to be signed for r,
// whatever certificate template made it. The operator may leave parts out and
// add extensions of his own. Refused are a CA, another key, another subject, a
// name or usage that r lacks, a SID extension other than ours, an extension that
// a request brought along, and a certificate without key usage or extended key
// usage: to those who check it, none at all means all.
func (r *Request) Check(template *x509.Certificate) error {
	e, err := readEffective(template)
	if err != nil {
		return err
	}
	if !r.publicKey.Equal(template.PublicKey) {
		return errors.New("the key is not the request's")
	}
	if !bytes.Equal(e.subject, r.RawSubject) {
		return errors.New("the subject is not the request's")
	}
	if err := r.checkNames(e); err != nil {
		return err
	}
	if err := r.checkUsages(e); err != nil {
		return err
	}
	if hasNameConstraints(template) {
		return errors.New("name constraints belong to a CA")
	}
	for _, extension := range template.ExtraExtensions {
		if err := r.checkExtension(extension); err != nil {
			return err
		}
	}
	if !template.NotAfter.After(template.NotBefore) {
		return errors.New("the validity ends before it begins")
	}
	return nil
}

func (r *Request) checkNames(e *effective) error {
	for _, san := range e.sans {
		same := func(asked SAN) bool { return asked.key() == san.key() }
		if san.Type == "" || !slices.ContainsFunc(r.SANs, same) {
			return fmt.Errorf("the request lacks the name %s %q", san.Type, san.Value)
		}
	}
	if bytes.Equal(e.subject, emptyName) && (!e.hasSAN || !e.critical) {
		return errors.New("without a subject the alternative names must be there and critical")
	}
	return nil
}

func (r *Request) checkUsages(e *effective) error {
	if e.keyUsage == 0 {
		return errors.New("no key usage")
	}
	if extra := e.keyUsage &^ r.keyUsage; extra != 0 {
		return fmt.Errorf("key usage %s is not in the request or profile", keyUsageNames(extra))
	}
	if len(e.usages) == 0 {
		return errors.New("no extended key usage")
	}
	return r.checkUsageList(e.usages)
}

func (r *Request) checkUsageList(usages []usage) error {
	for _, u := range usages {
		if !slices.Contains(r.usages, u) {
			return fmt.Errorf("extended key usage %s is not in the request or profile", u)
		}
	}
	return nil
}

// checkExtension looks at one extension that a template wrote itself. Those of
// names and usages have been read by readEffective.
func (r *Request) checkExtension(extension pkix.Extension) error {
	id := extension.Id
	switch {
	case id.Equal(oidSIDExtension):
		if r.sidExt == nil || !bytes.Equal(extension.Value, r.sidExt.Value) {
			return errors.New("a SID extension that is not from the request's URI")
		}
		return nil
	case id.Equal(oidNameConstraints), id.Equal(oidSubjectDirectory), id.Equal(oidNetscapeCertType):
		return fmt.Errorf("extension %s is not for devices", id)
	case id.Equal(oidApplicationPolicies):
		usages, err := parsePolicies(extension.Value)
		if err != nil {
			return err
		}
		if err := r.checkUsageList(usages); err != nil {
			return fmt.Errorf("application policies: %w", err)
		}
	}
	if asked := findExtension(r.ignored, id); asked != nil && bytes.Equal(asked.Value, extension.Value) {
		return fmt.Errorf("extension %s is copied from the request", id)
	}
	return nil
}

// parsePolicies reads the identifiers out of
//
//	CertificatePolicies ::= SEQUENCE SIZE (1..MAX) OF
//	  SEQUENCE { policyIdentifier OBJECT IDENTIFIER, policyQualifiers ANY OPTIONAL }
func parsePolicies(value []byte) ([]usage, error) {
	list, err := readSequence(value)
	if err != nil {
		return nil, fmt.Errorf("application policies: %w", err)
	}
	var usages []usage
	for !list.Empty() {
		var policy cryptobyte.String
		var oid stdasn1.ObjectIdentifier
		if !list.ReadASN1(&policy, asn1.SEQUENCE) || !policy.ReadASN1ObjectIdentifier(&oid) {
			return nil, errors.New("application policies: not DER")
		}
		usages = append(usages, usage(oid.String()))
	}
	return usages, nil
}

func hasNameConstraints(c *x509.Certificate) bool {
	return len(c.PermittedDNSDomains)+len(c.ExcludedDNSDomains)+
		len(c.PermittedIPRanges)+len(c.ExcludedIPRanges)+
		len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses)+
		len(c.PermittedURIDomains)+len(c.ExcludedURIDomains) > 0
}
