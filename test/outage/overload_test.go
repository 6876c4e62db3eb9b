package outage

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Anyone on the network may ask, with whatever challenge. When Intune takes 10 s for each
// question, those who wait cost little memory and get a FAILURE; when they are gone,
// honest devices get through.
func TestAnOverloadEndsInFailuresAndCostsLittleMemory(t *testing.T) {
	// The shorter time leaves a busy machine more of the 15 s after which step-ca cuts
	// an answer off.
	s := newSite(t, nil, crash.Options{Edit: func(entry map[string]any) {
		entry["intune"].(map[string]any)["timeout"] = sized("10s", "5s")
	}})
	const allowed = 256 << 20
	n, perSecond := sized(5000, 500), time.Duration(sized(400, 100))
	// What ordinary load takes is not what the overload adds.
	enrolAll(t, s, newDevices(t, s, 300, "warm"), 20, 1)
	messages := garbage(t, s, n)
	honest := newDevices(t, s, 20, "honest")
	fault(t, s, intunesim.Fault{Operation: intunesim.OpValidate, Delay: 10 * time.Second})

	before := residentMemory(t, s.Replicas[0], "VmRSS")
	var mu sync.Mutex
	answers := map[string]int{}
	var wg sync.WaitGroup
	client := s.Client()
	client.HTTP = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	begin := time.Now()
	for _, m := range messages {
		<-tick.C
		wg.Go(func() {
			answer := "nothing"
			if result, err := client.Send(t.Context(), m); err == nil {
				answer = string(result.Status)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[answer]++
		})
	}
	wg.Wait()
	added := residentMemory(t, s.Replicas[0], "VmHWM") - before
	t.Logf("%d requests in %s: %v; memory %s and %s more", n, time.Since(begin).Round(time.Second), answers, mebibytes(before), mebibytes(added))
	if answers[string(scep.FAILURE)] != n {
		t.Errorf("of %d requests %d got a FAILURE: %v", n, answers[string(scep.FAILURE)], answers)
	}
	if added > allowed {
		t.Errorf("%d waiting requests took %s, allowed are %s", n, mebibytes(added), mebibytes(allowed))
	}
	s.Sim.ClearFaults()
	enrolAll(t, s, honest, 20, 1)
	books := stop(t, s)
	checkListedOnce(t, books.Lines, honest)
}

// garbage prepares requests that could be genuine, with challenges that are not.
func garbage(t *testing.T, s *crash.Site, n int) []*device.Message {
	t.Helper()
	messages := make([]*device.Message, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i := range messages {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := device.Windows(fmt.Sprintf("CN=somebody-%d", i), strings.Repeat("garbage", 400)).Build()
			if err != nil {
				t.Error(err)
				return
			}
			if messages[i], err = s.Client().Prepare(r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return messages
}
