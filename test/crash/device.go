package crash

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Device enrols with one message, which it repeats until it has a certificate.
type Device struct {
	Name        string
	Request     *device.Request
	Message     *device.Message
	Certificate *x509.Certificate // the first that it got
	Attempts    int
	Last        string // how the last attempt failed

	site *Site
}

// Devices prepares the messages of n devices, with challenges that Intune approves.
func (s *Site) Devices(n int, prefix string) ([]*Device, error) {
	devices := make([]*Device, n)
	errs := make(chan error, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i := range devices {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var err error
			devices[i], err = s.newDevice(fmt.Sprintf("%s-%d", prefix, i))
			if err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return nil, fmt.Errorf("preparing devices: %w", err)
	default:
		return devices, nil
	}
}

func (s *Site) newDevice(name string) (*Device, error) {
	subject, upn := "CN="+name+",OU=Devices,O=Contoso", name+"@contoso.example"
	challenge, err := s.Sim.NewChallenge(intunesim.Challenge{
		Subject: subject, SANs: []intunesim.SAN{{Type: "upn", Value: upn}},
		KeyUsage: []string{"digitalSignature", "keyEncipherment"}, ExtKeyUsage: []string{"clientAuth"},
		KeyLength: 2048, DeviceID: name,
	})
	if err != nil {
		return nil, err
	}
	d := &Device{Name: name, site: s}
	if d.Request, err = device.Windows(subject, challenge, device.UPN(upn)).Build(); err != nil {
		return nil, err
	}
	d.Message, err = s.Replicas[0].client.Prepare(d.Request)
	return d, err
}

// Again returns the same request in another message with another transaction id.
func (d *Device) Again() (*Device, error) {
	m, err := d.site.Replicas[0].client.Prepare(d.Request)
	if err != nil {
		return nil, err
	}
	return &Device{Name: d.Name, Request: d.Request, Message: m, site: d.site}, nil
}

// Ask sends the message once to a replica and returns the certificate, or nil when
// the device got a FAILURE or no answer. Another certificate than that of an earlier
// answer is an error.
func (d *Device) Ask(ctx context.Context, r *Replica) (*x509.Certificate, error) {
	d.Attempts++
	result, err := r.client.Send(ctx, d.Message)
	switch {
	case err != nil:
		d.Last = err.Error()
		return nil, nil
	case result.Status != scep.SUCCESS || result.Certificate == nil:
		d.Last = fmt.Sprintf("HTTP %d, pkiStatus %q, %s", result.HTTPStatus, string(result.Status), result.FailInfoText)
		return nil, nil
	case d.Certificate == nil:
		d.Certificate = result.Certificate
	case !d.Certificate.Equal(result.Certificate):
		return nil, fmt.Errorf("%s got %s and then %s", d.Name, serialOf(d.Certificate), serialOf(result.Certificate))
	}
	return result.Certificate, nil
}

// Enrol asks until there is a certificate, at most so many times. choose picks the
// replica of each attempt.
func (d *Device) Enrol(ctx context.Context, attempts int, pause time.Duration, choose func() *Replica) error {
	for i := range attempts {
		if i > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if c, err := d.Ask(ctx, choose()); err != nil || c != nil {
			return err
		}
	}
	return nil
}

func serialOf(c *x509.Certificate) string { return fmt.Sprintf("%X", c.SerialNumber.Bytes()) }
