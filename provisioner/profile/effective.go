package profile

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
)

// effective is what x509.CreateCertificate would sign: it prefers RawSubject to
// Subject, and an extension in ExtraExtensions to the fields that stand for it.
type effective struct {
	subject  []byte
	hasSAN   bool
	critical bool // of the SAN extension
	sans     []SAN
	keyUsage x509.KeyUsage // 0: no extension
	usages   []usage       // nil: no extension
}

// readEffective reads template, a certificate that has not been signed yet. It
// fails for what no leaf certificate may be.
func readEffective(template *x509.Certificate) (*effective, error) {
	e := &effective{subject: template.RawSubject}
	var err error
	if len(e.subject) == 0 {
		if e.subject, err = stdasn1.Marshal(template.Subject.ToRDNSequence()); err != nil {
			return nil, fmt.Errorf("subject: %w", err)
		}
	}
	if template.IsCA {
		return nil, errors.New("basic constraints: a certificate of a CA")
	}
	extra := template.ExtraExtensions
	for i, extension := range extra {
		if findExtension(extra[i+1:], extension.Id) != nil {
			return nil, fmt.Errorf("extension %s appears twice", extension.Id)
		}
	}
	if extension := findExtension(extra, oidBasicConstraints); extension != nil {
		if err := checkNotCA(extension.Value); err != nil {
			return nil, err
		}
	}
	if err := e.readNames(template, extra); err != nil {
		return nil, err
	}
	return e, e.readUsages(template, extra)
}

func (e *effective) readNames(template *x509.Certificate, extra []pkix.Extension) (err error) {
	if extension := findExtension(extra, oidSAN); extension != nil {
		e.hasSAN, e.critical = true, extension.Critical
		e.sans, err = parseSANs(extension.Value)
		return err
	}
	e.sans = fieldSANs(template.DNSNames, template.EmailAddresses, template.IPAddresses, template.URIs)
	e.hasSAN = len(e.sans) > 0
	e.critical = bytes.Equal(e.subject, emptyName)
	return nil
}

var emptyName = []byte{0x30, 0}

func fieldSANs(dns, emails []string, ips []net.IP, uris []*url.URL) []SAN {
	var sans []SAN
	for _, name := range dns {
		sans = append(sans, SAN{Type: sanDNS, Value: name})
	}
	for _, name := range emails {
		sans = append(sans, SAN{Type: sanEmail, Value: name})
	}
	for _, ip := range ips {
		// As crypto/x509 writes it.
		if four := ip.To4(); four != nil {
			ip = four
		}
		sans = append(sans, SAN{Type: sanIP, Value: ip.String(), ip: ip})
	}
	for _, uri := range uris {
		sans = append(sans, SAN{Type: sanURI, Value: uri.String(), uri: uri})
	}
	return sans
}

func (e *effective) readUsages(template *x509.Certificate, extra []pkix.Extension) (err error) {
	e.keyUsage = template.KeyUsage
	if extension := findExtension(extra, oidKeyUsage); extension != nil {
		if e.keyUsage, err = parseKeyUsage(extension.Value); err != nil {
			return err
		}
	}
	if extension := findExtension(extra, oidExtKeyUsage); extension != nil {
		e.usages, err = parseExtKeyUsage(extension.Value)
		return err
	}
	for _, value := range template.ExtKeyUsage {
		i := slices.IndexFunc(templateUsages, func(t templateUsage) bool { return t.value == value })
		if i < 0 {
			return fmt.Errorf("extended key usage %d is unknown", value)
		}
		e.usages = append(e.usages, templateUsages[i].usage)
	}
	for _, oid := range template.UnknownExtKeyUsage {
		e.usages = append(e.usages, usage(oid.String()))
	}
	return nil
}
