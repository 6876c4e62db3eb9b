package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Devices repeat themselves when an answer is lost or late.
func TestEightIdenticalRequestsAtOnceGetOneCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-1"))
	results := make([]*device.Result, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = c.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, r := range results {
		if r.Certificate == nil || !r.Certificate.Equal(results[0].Certificate) {
			t.Fatalf("got %s", describe(r))
		}
	}
	if n := len(s.calls(intunesim.OpSuccess)); n != 1 {
		t.Errorf("Intune received %d success notifications", n)
	}
	if listed := s.listed(intunesim.StateIssued); len(listed) != 1 {
		t.Errorf("Intune lists %d certificates", len(listed))
	}
	if stored := s.stored(); len(stored) != 1 {
		t.Errorf("step-ca stored %d certificates", len(stored))
	}
}

// A device that asks again after its answer was lost gets what was issued.
func TestARepeatedRequestGetsTheCertificateThatWasIssued(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m, first := s.issue("device-1")
	second := s.send(s.connect(intune), m)
	if second.Certificate == nil || !second.Certificate.Equal(first.Certificate) {
		t.Errorf("got %s", describe(second))
	}
	if n := len(s.calls(intunesim.OpSuccess)); n != 1 {
		t.Errorf("Intune received %d success notifications", n)
	}
}

// Nobody signs for a device that has hung up: it would never get the certificate.
func TestADeviceThatHangsUpGetsNoCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(intune)
	m := s.prepare(c, s.genuine("device-1"))
	s.fault(intunesim.Fault{Operation: intunesim.OpValidate, Delay: time.Second})
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := c.Send(ctx, m)
		ended <- err
	}()
	s.eventually("a validation", func() bool { return len(s.calls(intunesim.OpValidate)) > 0 })
	hangUp()
	if err := <-ended; err == nil {
		t.Error("the device got an answer")
	}
	s.outcome(m.TransactionID)
	if stored := s.stored(); len(stored) != 0 {
		t.Errorf("step-ca stored %d certificates", len(stored))
	}
	if n := len(s.calls(intunesim.OpSuccess)); n != 0 {
		t.Errorf("Intune received %d success notifications", n)
	}
	if listed := s.listed(intunesim.StateIssued); len(listed) != 0 {
		t.Errorf("Intune lists %d certificates", len(listed))
	}
}
