package intune

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
)

// verifies checks a JWS as RFC 7518 says, without a library that forgives.
func verifies(pub crypto.PublicKey, signed string, sig []byte) bool {
	digest := sha256.Sum256([]byte(signed))
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPSS(k, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		return len(sig) == 64 && ecdsa.Verify(k, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	}
	return false
}

func TestAssertionsAreWhatEntraIDAsksFor(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for alg, key := range map[string]crypto.Signer{"PS256": rsaKey, "ES256": ecKey} {
		cert := &x509.Certificate{Raw: []byte("certificate"), PublicKey: key.Public()}
		a, err := newAsserter([]*x509.Certificate{cert}, key)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for range 300 { // a short r or s of ES256 comes once in 128 times
			token, err := a.assert(t.Context(), "client", "https://login.example/tenant/oauth2/v2.0/token")
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(token, ".")
			sig, err := b64.DecodeString(parts[2])
			if err != nil || !verifies(key.Public(), parts[0]+"."+parts[1], sig) {
				t.Fatalf("%s: the signature is wrong", alg)
			}
			ids = append(ids, checkAssertion(t, alg, parts, cert))
		}
		if ids[0] == ids[1] {
			t.Errorf("%s: two assertions have the same jti", alg)
		}
	}
}

func checkAssertion(t *testing.T, alg string, parts []string, cert *x509.Certificate) (id string) {
	t.Helper()
	var header map[string]string
	var claims struct {
		Aud, Iss, Sub, Jti string
		Nbf, Exp           int64
	}
	for i, to := range []any{&header, &claims} {
		data, err := b64.DecodeString(parts[i])
		if err != nil || json.Unmarshal(data, to) != nil {
			t.Fatalf("part %d is not base64url JSON", i)
		}
	}
	print, err := b64.DecodeString(header["x5t#S256"])
	want := sha256.Sum256(cert.Raw)
	if header["alg"] != alg || header["typ"] != "JWT" || err != nil || !bytes.Equal(print, want[:]) {
		t.Fatalf("header %v", header)
	}
	now := time.Now().Unix()
	if claims.Aud != "https://login.example/tenant/oauth2/v2.0/token" || claims.Iss != "client" || claims.Sub != "client" ||
		claims.Nbf > now || claims.Exp <= now || claims.Exp-claims.Nbf > 600 {
		t.Fatalf("claims %+v", claims)
	}
	return claims.Jti
}
