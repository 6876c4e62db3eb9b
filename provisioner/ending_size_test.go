package provisioner

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// step-ca's reason may be of any length, what the database takes is not.
func TestALongReasonIsReportedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		csr, ctx := pkcs10(t), routed(t.Context())
		b.mustAllow(t, ctx, csr)
		b.failure(ctx, csr, strings.Repeat("reason ", 10_000))
		time.Sleep(time.Minute)
		if n, waiting := len(b.client.failed), len(b.instance.state.endings); n != 1 || waiting != 0 {
			t.Errorf("%d failures were reported, %d wait", n, waiting)
		}
	})
}

func TestAnEndThatNeverFitsIntoTheDatabaseIsNamedAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		csr, ctx := pkcs10(t), routed(t.Context())
		b.mustAllow(t, ctx, csr)
		b.instance.enrolments.find(keyOf("intune", csr)).transactionID = strings.Repeat("<", 60_000)
		b.failure(ctx, csr, "policy")
		time.Sleep(time.Minute)
		if n, waiting := len(b.out.lines("may be lost")), len(b.instance.state.endings); n != 1 || waiting != 0 {
			t.Errorf("named %d times, %d wait", n, waiting)
		}
	})
}
