package intune_test

import (
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestTheExpiryOfTheTokensIsKnownOnceTheyWereNeeded(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	client := newClient(t, simConfig(sim))
	if graph, own := client.TokenExpiry(); !graph.IsZero() || !own.IsZero() {
		t.Errorf("before the first call: %s, %s", graph, own)
	}
	if _, err := client.ValidateRequest(t.Context(), "tx", newRequest(t, sim)); err != nil {
		t.Fatal(err)
	}
	graph, own := client.TokenExpiry()
	for name, expiry := range map[string]time.Time{"Graph": graph, "Intune": own} {
		if left := time.Until(expiry); left <= 0 || left > 25*time.Hour {
			t.Errorf("%s: %s left", name, left)
		}
	}
}
