package status

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// Fault is an operation of Microsoft's that fails.
type Fault struct {
	Operation string    `json:"operation"`
	Result    string    `json:"result"` // as in the metrics
	Since     time.Time `json:"since"`  // the first failure after the last answer
	Last      time.Time `json:"last"`   // attempt
	Error     string    `json:"error,omitempty"`
	Advice    string    `json:"advice,omitempty"`
}

// calls is how each provisioner's calls to Microsoft have ended lately.
type calls struct {
	mu            sync.Mutex
	byProvisioner map[string]*callsOf
}

type callsOf struct {
	answered time.Time        // the last answer, a refusal included
	faults   map[string]Fault // by operation
}

func (c *calls) add(provisioner string, a *intune.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.byProvisioner[provisioner]
	if p == nil {
		p = &callsOf{faults: map[string]Fault{}}
		if c.byProvisioner == nil {
			c.byProvisioner = map[string]*callsOf{}
		}
		c.byProvisioner[provisioner] = p
	}
	now := time.Now()
	if a.Err == nil || errors.Is(a.Err, intune.ErrRefused) {
		p.answered = now
		delete(p.faults, a.Operation)
		return
	}
	f := Fault{Operation: a.Operation, Result: resultOf(a.Err), Since: now, Last: now, Error: a.Err.Error()}
	if before, ok := p.faults[a.Operation]; ok {
		f.Since = before.Since
	}
	var service *intune.ServiceError
	if errors.As(a.Err, &service) {
		f.Advice = service.Advice
	}
	p.faults[a.Operation] = f
}

// of returns how a provisioner's calls have ended lately.
func (c *calls) of(provisioner string) (answered time.Time, faults []Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.byProvisioner[provisioner]
	if p == nil {
		return answered, nil
	}
	for _, operation := range slices.Sorted(maps.Keys(p.faults)) {
		faults = append(faults, p.faults[operation])
	}
	return p.answered, faults
}
