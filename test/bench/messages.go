package bench

import (
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// makeKeys makes the few keys that all devices share, since making one takes longer than
// many enrolments, and what devices sign for themselves with them.
func (b *bench) makeKeys() error {
	b.progress("making keys")
	b.rsaKeys = device.Keys(b.sizes.keys)
	b.certificates = make([]*x509.Certificate, len(b.rsaKeys))
	return parallel(len(b.rsaKeys), func(i int) (err error) {
		b.certificates[i], err = device.SelfSign(b.rsaKeys[i])
		return err
	})
}

// parallel calls f for all numbers below n, with all processors.
func parallel(n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, runtime.NumCPU())
	for w := range errs {
		wg.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[w] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// messages prepares enrolments of n devices that will get their certificates.
func (b *bench) messages(s *server, n int) ([]*device.Message, error) {
	return b.prepare(s, n, func(subject, upn string) (string, error) {
		if !s.intune {
			return b.static, nil
		}
		return b.challenge(subject, upn)
	})
}

// garbage prepares requests of n devices that nobody knows, with the length of real ones.
func (b *bench) garbage(s *server, n int) ([]*device.Message, error) {
	return b.prepare(s, n, func(string, string) (string, error) { return strings.Repeat("garbage", 400), nil })
}

func (b *bench) prepare(s *server, n int, challenge func(subject, upn string) (string, error)) ([]*device.Message, error) {
	messages := make([]*device.Message, n)
	err := parallel(n, func(i int) error {
		r, err := b.request(challenge)
		if err != nil {
			return err
		}
		messages[i], err = s.client.Prepare(r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("preparing messages: %w", err)
	}
	return messages, nil
}

// request is what the next device asks for, in the shape of Windows.
func (b *bench) request(challenge func(subject, upn string) (string, error)) (*device.Request, error) {
	n := int(b.devices.Add(1))
	subject, upn := fmt.Sprintf("CN=device-%d,OU=Devices,O=Contoso", n), fmt.Sprintf("device-%d@contoso.example", n)
	password, err := challenge(subject, upn)
	if err != nil {
		return nil, err
	}
	csr := device.Windows(subject, password, device.UPN(upn))
	csr.Key = b.rsaKeys[n%len(b.rsaKeys)]
	r, err := csr.Build()
	if err != nil {
		return nil, err
	}
	r.Certificate = b.certificates[n%len(b.rsaKeys)]
	return r, nil
}

// challenge asks Intune for one, bound to everything that an Intune profile sets.
func (b *bench) challenge(subject, upn string) (string, error) {
	return b.sim.NewChallenge(intunesim.Challenge{
		Subject: subject, SANs: []intunesim.SAN{{Type: "upn", Value: upn}},
		KeyUsage: []string{"digitalSignature", "keyEncipherment"}, ExtKeyUsage: []string{"clientAuth"},
		KeyLength: 2048, ExpiresIn: 24 * time.Hour, DeviceID: upn,
	})
}
