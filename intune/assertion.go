package intune

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/google/uuid"
)

// ClientCertificate is a certificate of the app registration with its key. The
// key may stay in hardware: only its signer is used, with RSA of at least 2048
// bits (PS256) or P-256 (ES256). One of certs must belong to the signer.
//
// https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials
func ClientCertificate(certs []*x509.Certificate, signer crypto.Signer) Credential {
	return certificateCredential{certs, signer}
}

type certificateCredential struct {
	certs  []*x509.Certificate
	signer crypto.Signer
}

func (c certificateCredential) source(l login) (tokenSource, error) {
	a, err := newAsserter(c.certs, c.signer)
	if err != nil {
		return nil, err
	}
	return assertionCredential{a.assert}.source(l)
}

// FederatedTokenFile is a token of another identity provider that the
// application trusts, for instance of a Kubernetes cluster, in a file. It is
// read anew for each token, for such tokens live about an hour.
//
// https://learn.microsoft.com/en-us/entra/workload-id/workload-identity-federation
func FederatedTokenFile(path string) Credential { return federatedCredential(path) }

type federatedCredential string

func (c federatedCredential) source(l login) (tokenSource, error) {
	read := func() (string, error) {
		s, err := readSecretFile(string(c))
		if err != nil {
			return "", fmt.Errorf("reading the federated token: %w", err)
		}
		return string(s), nil
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	return assertionCredential{func(context.Context, string, string) (string, error) { return read() }}.source(l)
}

// assertionCredential lets MSAL send an assertion instead of a secret.
type assertionCredential struct {
	assert func(ctx context.Context, clientID, audience string) (string, error)
}

func (c assertionCredential) source(l login) (tokenSource, error) {
	client, err := l.client(confidential.NewCredFromAssertionCallback(
		func(ctx context.Context, o confidential.AssertionRequestOptions) (string, error) {
			s, err := c.assert(ctx, o.ClientID, o.TokenEndpoint)
			if err != nil {
				return "", &credentialError{err}
			}
			if sent, ok := ctx.Value(sentAssertions{}).(*[]string); ok {
				*sent = append(*sent, s)
			}
			return s, nil
		}))
	if err != nil {
		return nil, errors.New("MSAL does not accept the configuration")
	}
	return assertionSource{client}, nil
}

type assertionSource struct{ client confidential.Client }

func (s assertionSource) acquire(ctx context.Context, scope string) (token, []string, error) {
	var sent []string
	t, err := acquire(context.WithValue(ctx, sentAssertions{}, &sent), s.client, scope)
	return t, sent, err
}

// sentAssertions is the key of a *[]string that belongs to one acquisition.
type sentAssertions struct{}

// asserter signs client assertions (RFC 7523).
type asserter struct {
	header string // encoded
	signer crypto.Signer
}

// assertionLife is short: an assertion is made for one request.
const assertionLife = 5 * time.Minute

var b64 = base64.RawURLEncoding

func newAsserter(certs []*x509.Certificate, signer crypto.Signer) (*asserter, error) {
	if signer == nil {
		return nil, errors.New("client certificate: no signer")
	}
	var cert *x509.Certificate
	pub, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	for _, c := range certs {
		if ok && c != nil && pub.Equal(c.PublicKey) {
			cert = c
			break
		}
	}
	if cert == nil {
		return nil, errors.New("client certificate: the key belongs to none of the certificates")
	}
	var alg string
	switch k := signer.Public().(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, errors.New("client certificate: the RSA key is shorter than 2048 bits")
		}
		alg = "PS256"
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, errors.New("client certificate: the curve is not P-256")
		}
		alg = "ES256"
	default:
		return nil, fmt.Errorf("client certificate: a key of type %T cannot be used", k)
	}
	thumbprint := sha256.Sum256(cert.Raw)
	header, err := json.Marshal(map[string]string{"alg": alg, "typ": "JWT", "x5t#S256": b64.EncodeToString(thumbprint[:])})
	if err != nil {
		return nil, err
	}
	return &asserter{header: b64.EncodeToString(header), signer: signer}, nil
}

func (a *asserter) assert(_ context.Context, clientID, audience string) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"aud": audience, "iss": clientID, "sub": clientID, "jti": uuid.NewString(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	unsigned := a.header + "." + b64.EncodeToString(claims)
	digest := sha256.Sum256([]byte(unsigned))
	sig, err := a.sign(digest[:])
	if err != nil {
		return "", fmt.Errorf("signing the client assertion: %w", err)
	}
	return unsigned + "." + b64.EncodeToString(sig), nil
}

// sign returns the signature as JWS wants it (RFC 7518, sections 3.4 and 3.5).
func (a *asserter) sign(digest []byte) ([]byte, error) {
	if _, ok := a.signer.Public().(*rsa.PublicKey); ok {
		return a.signer.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	der, err := a.signer.Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var rs struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &rs); err != nil || len(rest) > 0 || rs.R.BitLen() > 256 || rs.S.BitLen() > 256 {
		return nil, errors.New("the signer's answer is not an ECDSA signature")
	}
	sig := make([]byte, 64)
	rs.R.FillBytes(sig[:32])
	rs.S.FillBytes(sig[32:])
	return sig, nil
}
