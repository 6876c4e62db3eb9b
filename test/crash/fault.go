package crash

import (
	"math/rand/v2"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// randomFaults are what goes wrong at Microsoft during a round: each kind for each
// operation, or not, with a chance of its own for each call.
func randomFaults(random *rand.Rand) []intunesim.Fault {
	kinds := []intunesim.Fault{
		{Status: 500},
		{Status: 503, RetryAfter: time.Second},
		{Drop: true},
		{Delay: 100*time.Millisecond + time.Duration(random.Int64N(int64(1500*time.Millisecond)))},
		{Drop: true, After: true},
		{Status: 500, After: true},
	}
	operations := map[intunesim.Operation]float64{
		intunesim.OpToken: 0.02, intunesim.OpDiscovery: 0.02,
		intunesim.OpValidate: 0.05, intunesim.OpSuccess: 0.08, intunesim.OpFailure: 0.3,
	}
	var faults []intunesim.Fault
	for _, operation := range []intunesim.Operation{
		intunesim.OpToken, intunesim.OpDiscovery, intunesim.OpValidate, intunesim.OpSuccess, intunesim.OpFailure,
	} {
		for _, f := range kinds {
			if f.After && (operation == intunesim.OpToken || operation == intunesim.OpDiscovery) {
				continue
			}
			if random.Float64() < 0.6 {
				f.Operation = operation
				f.Probability = operations[operation] * random.Float64()
				faults = append(faults, f)
			}
		}
	}
	return faults
}
