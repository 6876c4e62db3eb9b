package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
)

// FillNames fills the names of template, a certificate about to be signed, from
// its raw subject and its raw subject alternative names, so that a name policy
// that only looks at the fields sees all of them. What is signed stays the
// same: x509.CreateCertificate prefers the raw forms. A user principal name is
// put among the e-mail addresses. Of several common names the last one ends up
// in Subject.CommonName; [NamesInSubject] has them all.
func FillNames(template *x509.Certificate) error {
	if len(template.RawSubject) > 0 {
		sequence, err := parseName(template.RawSubject)
		if err != nil {
			return fmt.Errorf("reading names: %w", err)
		}
		template.Subject = pkix.Name{}
		template.Subject.FillFromRDNSequence(&sequence)
	}
	extension := findExtension(template.ExtraExtensions, oidSAN)
	if extension == nil {
		return nil
	}
	sans, err := parseSANs(extension.Value)
	if err != nil {
		return fmt.Errorf("reading names: %w", err)
	}
	template.DNSNames, template.EmailAddresses, template.IPAddresses, template.URIs = nil, nil, nil, nil
	for _, san := range sans {
		switch san.Type {
		case sanDNS:
			template.DNSNames = append(template.DNSNames, san.Value)
		case sanEmail, sanUPN:
			template.EmailAddresses = append(template.EmailAddresses, san.Value)
		case sanIP:
			template.IPAddresses = append(template.IPAddresses, san.ip)
		case sanURI:
			template.URIs = append(template.URIs, san.uri)
		}
	}
	return nil
}

// SubjectNames are the names in a subject that a policy has to allow, each of them.
type SubjectNames struct {
	CommonNames    []string
	EmailAddresses []string // of attributes emailAddress (PKCS #9)
}

// NamesInSubject returns the names of the subject that template will be signed with.
func NamesInSubject(template *x509.Certificate) (SubjectNames, error) {
	sequence := template.Subject.ToRDNSequence()
	if len(template.RawSubject) > 0 {
		var err error
		if sequence, err = parseName(template.RawSubject); err != nil {
			return SubjectNames{}, fmt.Errorf("reading names: %w", err)
		}
	}
	return SubjectNames{
		CommonNames:    valuesOf(sequence, oidCommonName),
		EmailAddresses: valuesOf(sequence, oidEmailAddress),
	}, nil
}
