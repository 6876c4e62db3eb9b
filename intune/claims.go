package intune

import (
	"encoding/json"
	"errors"
	"strings"
)

// claims are what Check reads in an access token. It is not verified: the
// token came from its issuer over TLS, and nothing depends on what is read.
type claims struct {
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
	Roles    []string `json:"roles"`
}

func parseClaims(jwt string) (claims, error) {
	var c claims
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return c, errors.New("not a JWT")
	}
	payload, err := b64.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return claims{}, errors.New("not a JWT")
	}
	return c, nil
}

// audience is a string or a list of them (RFC 7519, section 4.1.3).
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}
