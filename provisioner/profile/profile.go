// Package profile decides what may stand in a device's certificate. It is made
// of pure functions: a certificate request goes in, a [Request] or a reason for
// refusing it comes out.
//
// # Before Intune is asked
//
// [Profile.Read] reads a PKCS #10 request strictly. It refuses what could never
// become a certificate under the profile, and what two parsers could read
// differently: Intune checks the request with its own parser, and what it
// approved must be what we read.
//
// # From request to certificate
//
// Nothing is copied from the request's extensions as a whole. Subject, names,
// key usage and extended key usage are taken out one by one, by kinds that are
// allowed, and offered to step-ca's certificate templates by
// [Request.TemplateData]. [DefaultTemplate] uses all of it.
//
// # The last word
//
// A template is the operator's and may do anything. [Request.Check] looks at
// what is about to be signed, whatever template made it, and [CheckIssued] at
// what has been signed. [FillNames] lets step-ca's name policy see names that
// only stand in a raw extension.
package profile

import (
	"fmt"
	"slices"
)

// Settings is the wire form of the profile object in ca.json. The zero value
// is a complete profile. [Settings.Profile] validates it.
type Settings struct {
	// ExtKeyUsage holds the extended key usages of a certificate whose request
	// asks for none: names such as clientAuth, or dotted object identifiers.
	// Default: clientAuth.
	ExtKeyUsage []string `json:"extKeyUsage,omitempty"`

	// AllowExtKeyUsage holds the extended key usages that a request may ask
	// for. Default: everything except any, codeSigning, timeStamping,
	// ocspSigning and Microsoft's own kinds of code signing.
	AllowExtKeyUsage []string `json:"allowExtKeyUsage,omitempty"`

	// UnknownSANs says what happens to a subject alternative name that is not
	// an e-mail address, a user principal name, a DNS name, a URI or an IP
	// address: "drop" (default) leaves it out, "refuse" refuses the request.
	UnknownSANs string `json:"unknownSANs,omitempty"`

	// RequestedValidity lets a request's ValidityPeriod and
	// ValidityPeriodUnits shorten the validity that the claims give.
	RequestedValidity bool `json:"requestedValidity,omitempty"`

	// SIDFromSAN adds the security extension of Windows domain controllers
	// (KB5014754), made from the request's tag:microsoft.com URI.
	SIDFromSAN bool `json:"sidFromSAN,omitempty"`

	// CRLDistributionPoints holds URLs at which the CA's CRL can be had.
	CRLDistributionPoints []string `json:"crlDistributionPoints,omitempty"`

	// IssuingCertificateURL holds URLs at which the issuing CA's certificate
	// can be had.
	IssuingCertificateURL []string `json:"issuingCertificateURL,omitempty"`

	// MinimumKeyLength is the shortest RSA key in bits. It comes from
	// minimumPublicKeyLength of the SCEP entry. 0 means 2048.
	MinimumKeyLength int `json:"-"`
}

// Profile is a validated [Settings]. It never changes and may be used by any
// number of goroutines.
type Profile struct {
	defaultUsages    []usage
	allowedUsages    []usage // nil: everything but deniedByDefault
	refuseUnknown    bool
	useValidity      bool
	sidFromSAN       bool
	crlURLs          []string
	issuerURLs       []string
	minimumKeyLength int
}

// Profile validates s. An error names the key that is wrong.
func (s Settings) Profile() (*Profile, error) {
	p := &Profile{
		useValidity:      s.RequestedValidity,
		sidFromSAN:       s.SIDFromSAN,
		minimumKeyLength: s.MinimumKeyLength,
	}

	switch s.UnknownSANs {
	case "", "drop":
	case "refuse":
		p.refuseUnknown = true
	default:
		return nil, fmt.Errorf(`profile.unknownSANs: %q is neither "drop" nor "refuse"`, s.UnknownSANs)
	}

	var err error
	if p.defaultUsages, err = readUsages("profile.extKeyUsage", s.ExtKeyUsage); err != nil {
		return nil, err
	}
	if p.defaultUsages == nil {
		p.defaultUsages = []usage{usageClientAuth}
	}
	if p.allowedUsages, err = readUsages("profile.allowExtKeyUsage", s.AllowExtKeyUsage); err != nil {
		return nil, err
	}

	if p.crlURLs, err = readURLs("profile.crlDistributionPoints", s.CRLDistributionPoints); err != nil {
		return nil, err
	}
	if p.issuerURLs, err = readURLs("profile.issuingCertificateURL", s.IssuingCertificateURL); err != nil {
		return nil, err
	}

	if p.minimumKeyLength == 0 {
		p.minimumKeyLength = minKeyLength
	}
	if p.minimumKeyLength < minKeyLength || p.minimumKeyLength > maxKeyLength {
		return nil, fmt.Errorf("minimumPublicKeyLength: %d is not within %d and %d",
			p.minimumKeyLength, minKeyLength, maxKeyLength)
	}
	return p, nil
}

// readUsages turns the names and identifiers under key into usages; nil stays
// nil. A list that is there and empty is refused, because "no usage at all"
// reads, in a certificate, as "every usage".
func readUsages(key string, texts []string) ([]usage, error) {
	if texts == nil {
		return nil, nil
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s: names no usage; leave the key out for the default", key)
	}
	var usages []usage
	for _, text := range texts {
		u, err := parseUsage(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if slices.Contains(usages, u) {
			return nil, fmt.Errorf("%s: names usage %q twice", key, text)
		}
		usages = append(usages, u)
	}
	return usages, nil
}

func readURLs(key string, texts []string) ([]string, error) {
	for _, text := range texts {
		if err := checkURL(text); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return slices.Clone(texts), nil
}
