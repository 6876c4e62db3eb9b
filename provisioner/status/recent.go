package status

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// remembered is how many enrolments of a kind are kept.
	remembered = 10
	minutes    = 60
)

// recent is what has happened lately, in bounded memory.
type recent struct {
	mu       sync.Mutex
	hour     [minutes]minute
	refusals last // by Intune, or by us for what could never become a certificate
	failures last // of the CA or of a report
}

// minute counts the enrolments of one minute.
type minute struct {
	number int64 // since 1970
	counts map[ending]int
}

type ending struct{ outcome, code string }

// Count is how often enrolments have ended in one way.
type Count struct {
	Outcome string `json:"outcome"`
	Code    string `json:"code"` // Intune's, "other" or "none"
	Count   int    `json:"count"`
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func (r *recent) add(e Enrolment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number := minuteOf(e.Time)
	m := &r.hour[number%minutes]
	if m.number != number || m.counts == nil {
		*m = minute{number: number, counts: map[ending]int{}}
	}
	m.counts[ending{e.Outcome, codeLabel(&e)}]++
	switch e.Outcome {
	case Issued:
	case Refused:
		r.refusals.add(e)
	default:
		r.failures.add(e)
	}
}

// counts returns the last hour's outcomes.
func (r *recent) counts(now time.Time) []Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := map[ending]int{}
	for _, m := range r.hour {
		if age := minuteOf(now) - m.number; age < 0 || age >= minutes {
			continue
		}
		for e, n := range m.counts {
			sum[e] += n
		}
	}
	all := make([]Count, 0, len(sum))
	for e, n := range sum {
		all = append(all, Count{Outcome: e.outcome, Code: e.code, Count: n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	return all
}

// lists returns the last refusals and failures, the newest first.
func (r *recent) lists() (refusals, failures []Enrolment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refusals.list(), r.failures.list()
}

// last keeps the newest enrolments.
type last []Enrolment

func (l *last) add(e Enrolment) {
	*l = append(*l, e)
	if extra := len(*l) - remembered; extra > 0 {
		*l = slices.Delete(*l, 0, extra)
	}
}

func (l last) list() []Enrolment {
	newest := append([]Enrolment{}, l...)
	slices.Reverse(newest)
	return newest
}
