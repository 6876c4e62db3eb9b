package intunesim

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// match compares a request with what the challenge was made for.
func (p *payload) match(r *csr) *refusal {
	if p.Subject != "" {
		wanted, err := parseDN(p.Subject)
		switch {
		case len(r.subject) == 0:
			return refusef("SubjectNameMissing", "The certificate request has no subject.")
		case err != nil || !wanted.equal(r.subject):
			return refusef("SubjectNameMismatch", "The subject differs from the challenge's.")
		}
	}
	if p.SANs != nil {
		switch {
		case len(p.SANs) > 0 && len(r.sans) == 0:
			return refusef("SubjectAltNameMissing", "The certificate request has no subject alternative name.")
		case !slices.Equal(p.SANs, sortedSANs(r.sans)):
			return refusef("SubjectAltNameMismatch", "The subject alternative names differ from the challenge's.")
		}
	}
	if p.KeyUsage != nil && !slices.Equal(p.KeyUsage, r.keyUsage) {
		return refusef("KeyUsageMismatch", "The key usage differs from the challenge's.")
	}
	if p.KeyLength != 0 && p.KeyLength != r.keyLength {
		return refusef("KeyLengthMismatch", "The key has %d bits instead of %d.", r.keyLength, p.KeyLength)
	}
	if p.ExtKeyUsage != nil {
		switch {
		case len(p.ExtKeyUsage) > 0 && len(r.extKeyUsage) == 0:
			return refusef("EnhancedKeyUsageMissing", "The certificate request has no extended key usage.")
		case !slices.Equal(p.ExtKeyUsage, r.extKeyUsage):
			return refusef("EnhancedKeyUsageMismatch", "The extended key usage differs from the challenge's.")
		}
	}
	if p.AADKeyIdentifiers != nil {
		hash := sha256.Sum256(r.keyDER)
		switch {
		case len(p.AADKeyIdentifiers) == 0:
			return refusef("AadKeyIdentifierListMissing", "The challenge has no list of registered keys.")
		case !slices.Contains(p.AADKeyIdentifiers, base64.StdEncoding.EncodeToString(hash[:])):
			return refusef("RegisteredKeyMismatch", "The key is not registered for the device.")
		}
	}
	return nil
}

// sortedSANs makes a set of names comparable.
func sortedSANs(sans []SAN) []SAN {
	sans = slices.Clone(sans)
	slices.SortFunc(sans, func(a, b SAN) int { return strings.Compare(a.Type+"\x00"+a.Value, b.Type+"\x00"+b.Value) })
	return slices.Compact(sans)
}
