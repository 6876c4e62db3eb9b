package intune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

var (
	opDownload = operation{"downloadRevocationRequests", revocationService,
		"CertificateAuthorityRequests/downloadRevocationRequests", revocationVersion, 16 << 20}
	opUpload = operation{"uploadRevocationResults", revocationService,
		"CertificateAuthorityRequests/uploadRevocationResults", revocationVersion, maxAnswer}
)

const (
	revocationVersion = "5019-05-05"
	// MaxRevocationRequests is how many requests one download can bring, and
	// how many results one upload can carry.
	MaxRevocationRequests = 500
)

// RevocationRequest is an administrator's wish to revoke a certificate.
type RevocationRequest struct {
	// Context identifies the request; the result goes back with it.
	Context string
	// SerialNumber and IssuerName are those of the success notification.
	SerialNumber string
	IssuerName   string
	// CAConfiguration is the one of the success notification, if any.
	CAConfiguration string
}

type downloadMessage struct {
	Parameters struct {
		MaxRequests int     `json:"maxRequests"`
		IssuerName  *string `json:"issuerName"` // null means any
	} `json:"downloadParameters"`
}

// DownloadRevocationRequests fetches up to limit requests, 1 to 500, of any
// issuer or, with issuerName, of one. Intune locks what it hands out for 60
// minutes; results that were not uploaded by then come again.
//
// Microsoft documents this operation by its library only:
// https://github.com/microsoft/Intune-Resource-Access
func (c *Client) DownloadRevocationRequests(ctx context.Context, limit int, issuerName string) ([]RevocationRequest, Receipt, error) {
	if limit < 1 || limit > MaxRevocationRequests {
		return nil, Receipt{}, fmt.Errorf("%s: checking arguments: limit %d is not between 1 and %d", opDownload.name, limit, MaxRevocationRequests)
	}
	var message downloadMessage
	message.Parameters.MaxRequests = limit
	if issuerName != "" {
		message.Parameters.IssuerName = &issuerName
	}
	var requests []RevocationRequest
	receipt, err := c.call(ctx, opDownload, "", message, func(body []byte) outcome {
		var err error
		if requests, err = parseRevocationRequests(body); err != nil {
			return outcome{err: &ServiceError{Kind: ErrUnavailable, Description: err.Error()}}
		}
		return outcome{}
	}, nil)
	if err != nil {
		return nil, receipt, err
	}
	return requests, receipt, nil
}

func parseRevocationRequests(body []byte) ([]RevocationRequest, error) {
	fields, err := objectOf(body, "value")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Context         string `json:"requestContext"`
		SerialNumber    string `json:"serialNumber"`
		IssuerName      string `json:"issuerName"`
		CAConfiguration string `json:"caConfiguration"`
	}
	if err := json.Unmarshal(fields["value"], &list); err != nil || list == nil {
		return nil, errors.New("the answer is not a list of revocation requests")
	}
	requests := make([]RevocationRequest, 0, len(list))
	for _, r := range list {
		if r.Context == "" || r.SerialNumber == "" {
			return nil, errors.New("a revocation request has no requestContext or no serialNumber")
		}
		requests = append(requests, RevocationRequest(r))
	}
	return requests, nil
}

// RevocationResult is what became of one RevocationRequest.
type RevocationResult struct {
	// Context is the request's.
	Context string
	// Succeeded goes with RevocationNone, its contrary with any other code.
	Succeeded bool
	// Code says why it failed.
	Code RevocationCode
	// Message is for the administrator, at most 255 characters; it may be
	// empty and must hold no secret.
	Message string
}

func (r RevocationResult) check() error {
	switch {
	case r.Context == "":
		return errors.New("the context is empty")
	case !r.Code.known():
		return fmt.Errorf("code %d is not one of Microsoft's", int(r.Code))
	case r.Succeeded && r.Code != RevocationNone:
		return fmt.Errorf("success with code %d", int(r.Code))
	case !r.Succeeded && r.Code == RevocationNone:
		return errors.New("failure without a code")
	}
	return nil
}

type uploadResult struct {
	Context   string `json:"requestContext"`
	Succeeded bool   `json:"succeeded"`
	Code      string `json:"errorCode"`
	Message   string `json:"errorMessage,omitempty"`
}

// UploadRevocationResults reports 1 to 500 results. When any of them is not
// valid nothing is sent. ErrRefused means that Intune took none of them.
//
// Microsoft documents this operation by its library only:
// https://github.com/microsoft/Intune-Resource-Access
func (c *Client) UploadRevocationResults(ctx context.Context, results []RevocationResult) (Receipt, error) {
	if n := len(results); n < 1 || n > MaxRevocationRequests {
		return Receipt{}, fmt.Errorf("%s: checking arguments: %d results are not between 1 and %d", opUpload.name, n, MaxRevocationRequests)
	}
	list := make([]uploadResult, 0, len(results))
	for i, r := range results {
		if err := r.check(); err != nil {
			return Receipt{}, fmt.Errorf("%s: checking arguments: result %d: %w", opUpload.name, i, err)
		}
		list = append(list, uploadResult{r.Context, r.Succeeded, fmt.Sprint(int(r.Code)), cutDescription(r.Message)})
	}
	return c.call(ctx, opUpload, "", map[string][]uploadResult{"results": list}, readUpload, nil)
}

// readUpload accepts {"value":true} and nothing else.
func readUpload(body []byte) outcome {
	fields, err := objectOf(body, "value")
	switch {
	case err != nil:
		return outcome{err: &ServiceError{Kind: ErrUnavailable, Description: err.Error()}}
	case string(fields["value"]) == "false":
		return outcome{err: &ServiceError{Kind: ErrRefused, Description: "Intune did not take the results"}}
	case string(fields["value"]) != "true":
		return outcome{err: &ServiceError{Kind: ErrUnavailable, Description: "the answer is neither true nor false"}}
	}
	return outcome{}
}
