package provisioner

import (
	"crypto/x509"
	"errors"
	"slices"

	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"
)

// errRenewal says that certificates of Intune devices are renewed through Intune alone: a
// renewal is a new key with a new challenge.
var errRenewal = errors.New("certificates of an Intune provisioner are not renewed or rekeyed without Intune")

// service decorates step-ca's certificate authority service. What it decides stands here,
// what it merely forwards in forward.go.
type service struct {
	inner    softCAS
	instance *instance
}

var _ softCAS = (*service)(nil)

// CreateCertificate implements [apiv1.CertificateAuthorityService].
func (s *service) CreateCertificate(req *apiv1.CreateCertificateRequest) (*apiv1.CreateCertificateResponse, error) {
	if req.IsCAServerCert {
		if err := s.instance.started(); err != nil {
			return nil, err
		}
		return s.inner.CreateCertificate(req)
	}
	if p := s.instance.entryOf(req); p != nil {
		return p.createCertificate(s.inner, req)
	}
	return s.inner.CreateCertificate(req)
}

// RenewCertificate implements [apiv1.CertificateAuthorityService].
func (s *service) RenewCertificate(req *apiv1.RenewCertificateRequest) (*apiv1.RenewCertificateResponse, error) {
	if s.instance.isOurs(req.Template) {
		return nil, errRenewal
	}
	return s.inner.RenewCertificate(req)
}

// entryOf returns the Intune provisioner that a request was authorised by, or nil. The
// extension in the template counts as well: whoever gets it in becomes subject to Intune.
func (i *instance) entryOf(req *apiv1.CreateCertificateRequest) *entry {
	if req.Provisioner != nil {
		if p := i.entries[req.Provisioner.Name]; p != nil {
			return p
		}
	}
	if name, ok := provisionerNameIn(req.Template); ok {
		return i.entries[name]
	}
	return nil
}

// isOurs reports whether a certificate or template is one of an Intune provisioner, also of
// one that is gone.
func (i *instance) isOurs(cert *x509.Certificate) bool {
	name, ok := provisionerNameIn(cert)
	return ok && (i.entries[name] != nil || i.names.past[name])
}

// provisionerNameIn returns the provisioner that step-ca's extension in a certificate or
// template names.
func provisionerNameIn(cert *x509.Certificate) (string, bool) {
	if cert == nil {
		return "", false
	}
	ext, ok := provisioner.GetProvisionerExtension(&x509.Certificate{
		Extensions: slices.Concat(cert.ExtraExtensions, cert.Extensions),
	})
	if !ok {
		return "", false
	}
	return ext.Name, true
}
