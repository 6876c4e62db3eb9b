package report

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smallstep/nosql"
)

const (
	races   = 300
	callers = 8
)

// someRaces is for what rests on the same foundation.
func someRaces(t *testing.T) int {
	if strings.HasSuffix(t.Name(), nosql.PostgreSQLDriver) || strings.HasSuffix(t.Name(), nosql.MySQLDriver) {
		return races / 5 // each makes eight connections
	}
	return races
}

// race lets callers on two replicas do the same at once.
func race(stores []*Store, f func(s *Store) bool) int {
	var winners atomic.Int32
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range callers {
		wg.Go(func() {
			<-begin
			if f(stores[i%len(stores)]) {
				winners.Add(1)
			}
		})
	}
	close(begin)
	wg.Wait()
	return int(winners.Load())
}

func TestOneOfManyCallersCreatesARequest(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		stores := []*Store{openStore(t, open()), openStore(t, open())}
		for i := range races {
			key := keyOf("intune", fmt.Append(nil, i))
			won := race(stores, func(s *Store) bool {
				ok, err := s.create(t.Context(), key, &claimRow{State: stateOpen, Token: newToken()})
				if err != nil {
					t.Error(err)
				}
				return ok
			})
			if won != 1 {
				t.Fatalf("race %d has %d winners", i, won)
			}
		}
		// Losers leave nothing behind.
		tickets, err := stores[0].list(t.Context(), tableTickets)
		if err != nil || len(tickets) != races {
			t.Fatalf("%d tickets for %d requests, %v", len(tickets), races, err)
		}
	})
}

func TestOneOfManyCallersTakesARequestOver(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		stores := []*Store{openStore(t, open()), openStore(t, open())}
		for i := range someRaces(t) {
			r := Request{Provisioner: "intune", TransactionID: "first", CSR: fmt.Append(nil, i)}
			if _, _, err := stores[0].Begin(t.Context(), r, time.Now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			key := keyOf(r.Provisioner, r.CSR)
			current, err := stores[0].readClaim(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			won := race(stores, func(s *Store) bool {
				claim, err := s.take(t.Context(), r, key, current, time.Now().Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				return claim != nil
			})
			if won != 1 {
				t.Fatalf("race %d has %d winners", i, won)
			}
		}
	})
}

func TestOneOfManyCallersLeasesAReport(t *testing.T) {
	onEach(t, func(t *testing.T, open func() Database) {
		stores := []*Store{openStore(t, open()), openStore(t, open())}
		for i := range someRaces(t) {
			if err := stores[0].add(t.Context(), failureReport(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			all, err := stores[0].readOutbox(t.Context(), nil)
			if err != nil || len(all) != 1 {
				t.Fatalf("%d reports, %v", len(all), err)
			}
			won := race(stores, func(s *Store) bool {
				q := *all[0]
				ok, err := s.lease(t.Context(), &q)
				if err != nil {
					t.Error(err)
				}
				return ok
			})
			if won != 1 {
				t.Fatalf("race %d has %d winners", i, won)
			}
			if err := stores[0].remove(t.Context(), all[0].id); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func failureReport(transaction string) Report {
	return Report{
		Kind:    KindFailure,
		Request: Request{Provisioner: "intune", TransactionID: transaction, CAID: "CN=CA", CSR: []byte("a request")},
		Failure: Failure{HResult: -1, Description: "a failure"},
	}
}
