package provisioner

import (
	"crypto"
	"errors"

	"github.com/smallstep/certificates/cas/apiv1"
)

// softCAS is what step-ca's softcas implements. step-ca looks for each optional interface
// by type assertion: one lost breaks CRLs, one invented breaks the start.
type softCAS interface {
	apiv1.CertificateAuthorityService
	apiv1.CertificateAuthorityCRLGenerator
	apiv1.CertificateAuthoritySigner
	apiv1.CertificateAuthorityCreator
	Type() apiv1.Type
}

// asSoftCAS returns the service as one that the decorator forwards in full.
func asSoftCAS(s apiv1.CertificateAuthorityService) (softCAS, error) {
	soft, ok := s.(softCAS)
	if _, getter := s.(apiv1.CertificateAuthorityGetter); !ok || getter {
		return nil, errors.New("this release of step-ca has changed softcas: the plugin cannot decorate it")
	}
	return soft, nil
}

// RevokeCertificate implements [apiv1.CertificateAuthorityService].
func (s *service) RevokeCertificate(req *apiv1.RevokeCertificateRequest) (*apiv1.RevokeCertificateResponse, error) {
	return s.inner.RevokeCertificate(req)
}

// CreateCRL implements [apiv1.CertificateAuthorityCRLGenerator].
func (s *service) CreateCRL(req *apiv1.CreateCRLRequest) (*apiv1.CreateCRLResponse, error) {
	return s.inner.CreateCRL(req)
}

// GetSigner implements [apiv1.CertificateAuthoritySigner].
func (s *service) GetSigner() (crypto.Signer, error) { return s.inner.GetSigner() }

// CreateCertificateAuthority implements [apiv1.CertificateAuthorityCreator].
func (s *service) CreateCertificateAuthority(req *apiv1.CreateCertificateAuthorityRequest) (*apiv1.CreateCertificateAuthorityResponse, error) {
	return s.inner.CreateCertificateAuthority(req)
}

// Type returns the type of the decorated service.
func (s *service) Type() apiv1.Type { return s.inner.Type() }
