package matrix

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

var (
	keysMutex sync.Mutex
	keys      = map[int]*rsa.PrivateKey{}
	nextKey   atomic.Uint64
)

// key returns an RSA key: one of a few of 2048 bits in turn, so that a renewal
// has another than the enrolment before, and the only one of any other length,
// since those take seconds to make.
func key(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	if bits == 2048 {
		const few = 8
		return device.Keys(few)[nextKey.Add(1)%few]
	}
	keysMutex.Lock()
	defer keysMutex.Unlock()
	if keys[bits] == nil {
		fresh, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		keys[bits] = fresh
	}
	return keys[bits]
}

// signWithSHA1 replaces the signature of a request, as a device with an old
// profile makes it.
func signWithSHA1(t *testing.T, r *device.Request) {
	t.Helper()
	var csr struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(r.DER, &csr); err != nil {
		t.Fatal(err)
	}
	digest := sha1.Sum(csr.Info.FullBytes)
	signature, err := r.Key.Sign(rand.Reader, digest[:], crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	csr.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	csr.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	if r.DER, err = asn1.Marshal(csr); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificateRequest(r.DER)
	if err != nil || parsed.SignatureAlgorithm != x509.SHA1WithRSA {
		t.Fatalf("the request is signed with %v, %v", parsed, err)
	}
}
