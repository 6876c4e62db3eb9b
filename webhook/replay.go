package webhook

import (
	"errors"
	"sync"
	"time"
)

// freshness is how old a call may be. Calls never leave the process, so that only a
// stalled process makes an honest one older.
const freshness = 30 * time.Second

// replayGuard admits each signature once. step-ca puts a time stamp into each body, so
// that two calls never have the same signature. It forgets what is too old to be admitted
// anyway.
type replayGuard struct {
	mu            sync.Mutex
	recent, older map[string]struct{}
	turned        time.Time
}

func newReplayGuard() *replayGuard {
	return &replayGuard{recent: map[string]struct{}{}}
}

// admit returns an error for a call that is not fresh or was admitted before.
func (g *replayGuard) admit(signature string, stamp, now time.Time) error {
	if age := now.Sub(stamp); age > freshness || age < -freshness {
		return errors.New("the call is not fresh")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// Two generations, each as long as a time stamp may lie on either side of now.
	if now.Sub(g.turned) > 2*freshness {
		g.older, g.recent, g.turned = g.recent, map[string]struct{}{}, now
	}
	_, a := g.recent[signature]
	_, b := g.older[signature]
	if a || b {
		return errors.New("the call was made before")
	}
	g.recent[signature] = struct{}{}
	return nil
}
