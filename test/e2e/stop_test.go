package e2e

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Each request that is under way at SIGTERM ends in a certificate that Intune
// lists and step-ca has stored, or in a failure: never in between. With an Intune
// that answers in time, all of them end in a certificate.
func TestStoppingEndsEachRequestOneWayOrTheOther(t *testing.T) {
	for name, slow := range map[string]intunesim.Operation{
		"while Intune validates":     intunesim.OpValidate,
		"while Intune is being told": intunesim.OpSuccess,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			const n = 20
			c := s.connect(intune)
			messages := make([]*device.Message, n)
			for i := range messages {
				messages[i] = s.prepare(c, s.genuine(fmt.Sprintf("device-%d", i)))
			}
			s.fault(intunesim.Fault{Operation: slow, Delay: 2 * time.Second})
			results := make([]*device.Result, n)
			var wg sync.WaitGroup
			for i, m := range messages {
				wg.Go(func() { results[i], _ = c.Send(t.Context(), m) }) // no answer is a failure
			}
			s.eventually("all calls", func() bool { return len(s.calls(slow)) == n })
			if err := s.ca.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			s.checkEnds(messages, results)
		})
	}
}

// The longest enrolment that there can be still ends before the database closes.
func TestStoppingWaitsForTheLongestEnrolment(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(entry map[string]any, _ *harness.Options) { settings(entry)["timeout"] = "13s" })
	c := s.connect(intune)
	messages := []*device.Message{s.prepare(c, s.genuine("device-1"))}
	s.fault(intunesim.Fault{Operation: intunesim.OpSuccess, Delay: 12 * time.Second})
	results := make([]*device.Result, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		results[0], _ = c.Send(t.Context(), messages[0])
	}()
	s.eventually("the notification", func() bool { return len(s.calls(intunesim.OpSuccess)) == 1 })
	if err := s.ca.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-done
	s.checkEnds(messages, results)
}

func (s *site) checkEnds(messages []*device.Message, results []*device.Result) {
	s.Helper()
	if code, err := s.ca.Wait(s.Context()); err != nil || code != 0 {
		s.Errorf("the CA ended with status %d, %v", code, err)
	}
	listed := map[string]intunesim.Certificate{}
	for _, c := range s.listed(intunesim.StateIssued) {
		listed[c.TransactionID] = c
	}
	stored := map[string]bool{}
	for _, c := range s.stored() {
		stored[serial(c)] = true
	}
	issued := 0
	for i, m := range messages {
		c, isListed := listed[m.TransactionID]
		isIssued := results[i] != nil && results[i].Certificate != nil
		switch {
		case isIssued != isListed:
			s.Errorf("request %d: certificate with the device %t, listed by Intune %t", i, isIssued, isListed)
		case isListed && (c.SerialNumber != serial(results[i].Certificate) || !stored[c.SerialNumber]):
			s.Errorf("request %d: Intune lists %s, step-ca has stored it: %t", i, c.SerialNumber, stored[c.SerialNumber])
		case isListed:
			issued++
		}
		s.outcome(m.TransactionID)
	}
	if len(stored) != issued {
		s.Errorf("step-ca stored %d certificates, Intune lists %d", len(stored), issued)
	}
	if issued != len(messages) {
		s.Errorf("%d of %d ended in a certificate", issued, len(messages))
	}
}

// A power failure leaves a database that the next start takes.
func TestAKilledCAStartsAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issue("device-1")
	s.ca.Kill()
	s.ca = s.startCA(harness.StepCAIntune, s.ca.Authority)
	s.issue("device-2")
}
