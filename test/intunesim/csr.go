package intunesim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

var (
	oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	oidSubjectAltName    = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidUPN               = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// SAN is a subject alternative name. Types are email, upn, dns, uri and ip.
type SAN struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// csr is what a challenge can be compared with.
type csr struct {
	key         crypto.PublicKey
	keyDER      []byte
	keyLength   int
	subject     dn
	sans        []SAN    // nil without the extension
	keyUsage    []string // nil without the extension
	extKeyUsage []string // OIDs; nil without the extension
	challenge   string
}

// parseCSR reads a PKCS#10 request and checks its signature. Of several
// challenge passwords the first counts.
func parseCSR(der []byte) (*csr, error) {
	parsed, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, errors.New("the certificate request is malformed")
	}
	if err := parsed.CheckSignature(); err != nil {
		return nil, errors.New("the certificate request's signature is wrong")
	}
	out := &csr{key: parsed.PublicKey, keyDER: parsed.RawSubjectPublicKeyInfo}
	switch key := parsed.PublicKey.(type) {
	case *rsa.PublicKey:
		out.keyLength = key.N.BitLen()
	case *ecdsa.PublicKey:
		out.keyLength = key.Curve.Params().BitSize
	}
	if out.subject, err = decodeDN(parsed.RawSubject); err != nil {
		return nil, err
	}
	if out.challenge, err = challengePassword(parsed.RawTBSCertificateRequest); err != nil {
		return nil, err
	}
	for _, extension := range parsed.Extensions {
		switch {
		case extension.Id.Equal(oidSubjectAltName):
			out.sans, err = decodeSANs(extension.Value)
		case extension.Id.Equal(oidKeyUsage):
			out.keyUsage, err = decodeKeyUsage(extension.Value)
		case extension.Id.Equal(oidExtKeyUsage):
			out.extKeyUsage, err = decodeExtKeyUsage(extension.Value)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// challengePassword finds the attribute of that name; "" without one.
func challengePassword(tbs []byte) (string, error) {
	var request struct {
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes []struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		} `asn1:"tag:0"`
	}
	if _, err := asn1.Unmarshal(tbs, &request); err != nil {
		return "", errors.New("the certificate request's attributes are malformed")
	}
	for _, a := range request.Attributes {
		if a.Type.Equal(oidChallengePassword) && len(a.Values) > 0 {
			return stringValue(a.Values[0]), nil
		}
	}
	return "", nil
}

// decodeSANs reads the extension. Names of other kinds than a challenge can
// hold get the type "other".
func decodeSANs(der []byte) ([]SAN, error) {
	malformed := errors.New("the subject alternative names are malformed")
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 {
		return nil, malformed
	}
	sans := []SAN{}
	for _, name := range names {
		if name.Class != asn1.ClassContextSpecific {
			return nil, malformed
		}
		san := SAN{"other", fmt.Sprintf("%x", name.FullBytes)}
		switch name.Tag {
		case 0:
			if upn, ok := decodeUPN(name.Bytes); ok {
				san = SAN{"upn", upn}
			}
		case 1:
			san = SAN{"email", string(name.Bytes)}
		case 2:
			san = SAN{"dns", string(name.Bytes)}
		case 6:
			san = SAN{"uri", string(name.Bytes)}
		case 7:
			ip, ok := netip.AddrFromSlice(name.Bytes)
			if !ok {
				return nil, malformed
			}
			san = SAN{"ip", ip.String()}
		}
		sans = append(sans, san)
	}
	return sans, nil
}

// decodeUPN reads the inside of an otherName.
func decodeUPN(der []byte) (string, bool) {
	var (
		oid   asn1.ObjectIdentifier
		value asn1.RawValue
		upn   asn1.RawValue
	)
	rest, err := asn1.Unmarshal(der, &oid)
	if err != nil || !oid.Equal(oidUPN) {
		return "", false
	}
	if rest, err = asn1.Unmarshal(rest, &value); err != nil || len(rest) > 0 || value.Tag != 0 || value.Class != asn1.ClassContextSpecific {
		return "", false
	}
	if rest, err = asn1.Unmarshal(value.Bytes, &upn); err != nil || len(rest) > 0 || upn.Class != asn1.ClassUniversal || upn.IsCompound {
		return "", false
	}
	return stringValue(upn), true
}

// keyUsageNames are the bits of the extension in their order (RFC 5280 section 4.2.1.3).
var keyUsageNames = []string{
	"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment", "keyAgreement",
	"keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
}

func decodeKeyUsage(der []byte) ([]string, error) {
	var bits asn1.BitString
	if rest, err := asn1.Unmarshal(der, &bits); err != nil || len(rest) > 0 {
		return nil, errors.New("the key usage is malformed")
	}
	names := []string{}
	for i, name := range keyUsageNames {
		if bits.At(i) == 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// extKeyUsageOIDs are the usages that a challenge may call by name.
var extKeyUsageOIDs = map[string]string{
	"any":             "2.5.29.37.0",
	"serverAuth":      "1.3.6.1.5.5.7.3.1",
	"clientAuth":      "1.3.6.1.5.5.7.3.2",
	"codeSigning":     "1.3.6.1.5.5.7.3.3",
	"emailProtection": "1.3.6.1.5.5.7.3.4",
	"ipsecEndSystem":  "1.3.6.1.5.5.7.3.5",
	"ipsecTunnel":     "1.3.6.1.5.5.7.3.6",
	"ipsecUser":       "1.3.6.1.5.5.7.3.7",
	"timeStamping":    "1.3.6.1.5.5.7.3.8",
	"ocspSigning":     "1.3.6.1.5.5.7.3.9",
	"ipsecIKE":        "1.3.6.1.5.5.7.3.17",
	"efs":             "1.3.6.1.4.1.311.10.3.4",
	"smartCardLogon":  "1.3.6.1.4.1.311.20.2.2",
}

func decodeExtKeyUsage(der []byte) ([]string, error) {
	var oids []asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(der, &oids); err != nil || len(rest) > 0 {
		return nil, errors.New("the extended key usage is malformed")
	}
	out := []string{}
	for _, oid := range oids {
		out = append(out, oid.String())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
