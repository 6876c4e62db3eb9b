package profile

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// usage is an extended key usage: its object identifier in dotted form.
type usage string

const (
	usageAny         usage = "2.5.29.37.0"
	usageClientAuth  usage = "1.3.6.1.5.5.7.3.2"
	usageCodeSigning usage = "1.3.6.1.5.5.7.3.3"
	usageTimeStamp   usage = "1.3.6.1.5.5.7.3.8"
	usageOCSPSigning usage = "1.3.6.1.5.5.7.3.9"
	usageMSCode      usage = "1.3.6.1.4.1.311.2.1.21"
	usageMSCommCode  usage = "1.3.6.1.4.1.311.2.1.22"
	usageMSKernel    usage = "1.3.6.1.4.1.311.61.1.1"
)

// deniedByDefault is what no request may ask for unless the operator says so:
// these usages speak for the CA or for software, not for a device.
var deniedByDefault = []usage{
	usageAny, usageCodeSigning, usageTimeStamp, usageOCSPSigning,
	usageMSCode, usageMSCommCode, usageMSKernel,
}

// templateUsage is a usage with its name in templates and its value in
// crypto/x509.
type templateUsage struct {
	name  string
	usage usage
	value x509.ExtKeyUsage
}

// templateUsages are the usages that step-ca's templates and crypto/x509 know
// by name. All others are given to templates as identifiers.
var templateUsages = []templateUsage{
	{"any", usageAny, x509.ExtKeyUsageAny},
	{"serverAuth", "1.3.6.1.5.5.7.3.1", x509.ExtKeyUsageServerAuth},
	{"clientAuth", usageClientAuth, x509.ExtKeyUsageClientAuth},
	{"codeSigning", usageCodeSigning, x509.ExtKeyUsageCodeSigning},
	{"emailProtection", "1.3.6.1.5.5.7.3.4", x509.ExtKeyUsageEmailProtection},
	{"ipsecEndSystem", "1.3.6.1.5.5.7.3.5", x509.ExtKeyUsageIPSECEndSystem},
	{"ipsecTunnel", "1.3.6.1.5.5.7.3.6", x509.ExtKeyUsageIPSECTunnel},
	{"ipsecUser", "1.3.6.1.5.5.7.3.7", x509.ExtKeyUsageIPSECUser},
	{"timeStamping", usageTimeStamp, x509.ExtKeyUsageTimeStamping},
	{"ocspSigning", usageOCSPSigning, x509.ExtKeyUsageOCSPSigning},
	{"microsoftServerGatedCrypto", "1.3.6.1.4.1.311.10.3.3", x509.ExtKeyUsageMicrosoftServerGatedCrypto},
	{"netscapeServerGatedCrypto", "2.16.840.1.113730.4.1", x509.ExtKeyUsageNetscapeServerGatedCrypto},
	{"microsoftCommercialCodeSigning", usageMSCommCode, x509.ExtKeyUsageMicrosoftCommercialCodeSigning},
	{"microsoftKernelCodeSigning", usageMSKernel, x509.ExtKeyUsageMicrosoftKernelCodeSigning},
}

// namedUsages are further names that the profile's settings understand.
var namedUsages = map[string]usage{
	"smartCardLogon":       "1.3.6.1.4.1.311.20.2.2",
	"encryptingFileSystem": "1.3.6.1.4.1.311.10.3.4",
	"ipsecIKE":             "1.3.6.1.5.5.7.3.17",
}

// parseUsage reads a usage's name or dotted identifier.
func parseUsage(text string) (usage, error) {
	for _, t := range templateUsages {
		if t.name == text {
			return t.usage, nil
		}
	}
	if u, ok := namedUsages[text]; ok {
		return u, nil
	}
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return "", fmt.Errorf("unknown usage %q", text)
	}
	if err := checkDottedOID(text); err != nil {
		return "", fmt.Errorf("%q is no object identifier: %w", text, err)
	}
	return usage(text), nil
}

// checkDottedOID accepts the identifiers that cryptobyte reads and
// encoding/asn1 writes, in their only spelling.
func checkDottedOID(text string) error {
	arcs := strings.Split(text, ".")
	if len(arcs) < 2 {
		return errors.New("it has one arc only")
	}
	for i, arc := range arcs {
		n, err := strconv.ParseUint(arc, 10, 31)
		switch {
		case err != nil:
			return fmt.Errorf("arc %q is not a number below 2^31", arc)
		case strconv.FormatUint(n, 10) != arc:
			return fmt.Errorf("arc %q has leading zeros", arc)
		case i == 0 && n > 2, i == 1 && n > 39 && arcs[0] != "2":
			return fmt.Errorf("arc %q is out of range", arc)
		}
	}
	return nil
}

// String names the usage for people, with its identifier if it has a name.
func (u usage) String() string {
	for _, t := range templateUsages {
		if t.usage == u {
			return t.name + " (" + string(u) + ")"
		}
	}
	for name, named := range namedUsages {
		if named == u {
			return name + " (" + string(u) + ")"
		}
	}
	return string(u)
}

// mayAsk reports whether a request may ask for u.
func (p *Profile) mayAsk(u usage) bool {
	if p.allowedUsages != nil {
		return slices.Contains(p.allowedUsages, u)
	}
	return !slices.Contains(deniedByDefault, u)
}

// parseExtKeyUsage reads the value of an extension 2.5.29.37:
//
//	ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId
//
// A usage named twice is returned once.
func parseExtKeyUsage(value []byte) ([]usage, error) {
	list, err := readSequence(value)
	if err != nil {
		return nil, fmt.Errorf("extended key usage: %w", err)
	}
	var usages []usage
	for n := 0; !list.Empty(); n++ {
		if n == maxUsages {
			return nil, fmt.Errorf("extended key usage: more than %d usages", maxUsages)
		}
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1ObjectIdentifier(&oid) {
			return nil, errors.New("extended key usage: not an object identifier that can be read")
		}
		if u := usage(oid.String()); !slices.Contains(usages, u) {
			usages = append(usages, u)
		}
	}
	if len(usages) == 0 {
		return nil, errors.New("extended key usage: empty")
	}
	return usages, nil
}
