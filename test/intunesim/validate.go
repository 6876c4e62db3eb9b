package intunesim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// validateRequest answers whether a certificate request is one that Intune's
// challenge was made for.
func (s *Server) validateRequest(c *call) answer {
	if a, ok := s.admit(c, scepVersion); !ok {
		return a
	}
	outer, err := object(c.body, []string{"request"}, nil)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	request, err := object(outer["request"], []string{"transactionId", "certificateRequest", "callerInfo"}, nil)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	common, err := parseCommon(request)
	if err != nil {
		return intuneError(c, http.StatusBadRequest, err.Error())
	}
	csr, err := parseCSR(common.csr)
	if err != nil {
		return intuneResult(c, "CertificateRequestDecodingFailed", err.Error())
	}
	challenge, refused := s.challenges.open(csr.challenge, c.now)
	if refused == nil {
		refused = s.console.check(challenge, csr)
	}
	if refused == nil {
		refused = challenge.match(csr)
	}
	if refused != nil {
		return intuneResult(c, refused.code, refused.description)
	}
	s.console.approve(common, challenge)
	return intuneResult(c, "Success", "")
}

// refusal is a result other than Success.
type refusal struct{ code, description string }

func refusef(code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// common is what validation and notifications both carry.
type common struct {
	transactionID string
	csr           []byte
	hash          [sha256.Size]byte // of csr
	callerInfo    string
}

func parseCommon(members map[string]json.RawMessage) (common, error) {
	var (
		out common
		err error
	)
	if out.transactionID, err = text(members, "transactionId"); err != nil {
		return out, err
	}
	if out.callerInfo, err = text(members, "callerInfo"); err != nil {
		return out, err
	}
	encoded, err := text(members, "certificateRequest")
	if err != nil {
		return out, err
	}
	// What is not base64 stays empty, which no parser takes for a request.
	if out.csr, err = base64.StdEncoding.Strict().DecodeString(encoded); err != nil {
		out.csr = nil
	}
	out.hash = sha256.Sum256(out.csr)
	return out, nil
}
