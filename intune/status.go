package intune

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
)

// isPassing holds the statuses after which a repeat may succeed.
func isPassing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// networkVerdict lets a repeat follow every transport error but a certificate
// that is not trusted, which will not be a moment later.
func networkVerdict(err error) verdict {
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return final
	}
	return passing
}

// bareURLError keeps the cause of a transport error and leaves out method and
// address, which the operation says already.
func bareURLError(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
