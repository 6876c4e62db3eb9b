package intune

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Explanation is what is known about a code that stands in a log or in Intune's console.
type Explanation struct {
	// Name is the code as it is usually written.
	Name string
	// Origin says whose code it is and where it is seen.
	Origin string
	// Meaning is a sentence.
	Meaning string
	// Advice says what an administrator can do; empty when nothing is wrong.
	Advice string
}

// The origins of an [Explanation].
const (
	OriginIntune  = "what Intune answers to the CA"
	OriginHResult = "what the CA reports to Intune, seen in Intune's console"
	OriginEntra   = "what Microsoft Entra ID answers when the CA signs in"
)

// Explain looks text up: one of Intune's codes in any case; an [HResult] in hexadecimal, as
// a decimal number with or without sign, or by its Windows name; the number of an error of
// Microsoft Entra ID with or without AADSTS, or a message that holds one.
func Explain(text string) (Explanation, bool) {
	text = strings.TrimSpace(text)
	for c := range codes {
		if strings.EqualFold(text, string(c)) {
			return c.explain(), true
		}
	}
	for h, known := range hresults {
		if strings.EqualFold(text, known.name) || strings.EqualFold(text, h.String()) {
			return h.explain(), true
		}
	}
	if n, ok := parseHResult(text); ok {
		if _, known := hresults[n]; known {
			return n.explain(), true
		}
	}
	if m := loginNumber.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(cmp.Or(m[1], m[2]))
		if _, known := aadsts[n]; known {
			return explainLogin(n), true
		}
	}
	return Explanation{}, false
}

// Explanations returns everything that [Explain] knows, by origin and name.
func Explanations() []Explanation {
	var all []Explanation
	for _, c := range slices.Sorted(maps.Keys(codes)) {
		all = append(all, c.explain())
	}
	for _, h := range slices.Sorted(maps.Keys(hresults)) {
		all = append(all, h.explain())
	}
	for _, n := range slices.Sorted(maps.Keys(aadsts)) {
		all = append(all, explainLogin(n))
	}
	return all
}

var (
	loginNumber = regexp.MustCompile(`(?i)^([0-9]{4,9})$|AADSTS([0-9]{4,9})\b`)
	hexadecimal = regexp.MustCompile(`^(?:0[xX])?([0-9A-Fa-f]{8})$`)
)

func parseHResult(text string) (HResult, bool) {
	if m := hexadecimal.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseUint(m[1], 16, 32)
		return HResult(uint32(n)), err == nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return HResult(uint32(n)), err == nil && -1<<31 <= n && n < 1<<32
}

func (c Code) explain() Explanation {
	return Explanation{Name: string(c), Origin: OriginIntune, Meaning: c.Explanation(), Advice: c.Advice()}
}

func (h HResult) explain() Explanation {
	known := hresults[h]
	return Explanation{Name: h.String(), Origin: OriginHResult, Meaning: known.explanation, Advice: known.advice}
}

func explainLogin(n int) Explanation {
	known := aadsts[n]
	return Explanation{
		Name:    fmt.Sprintf("AADSTS%d", n),
		Origin:  OriginEntra,
		Meaning: strings.ToUpper(known.meaning[:1]) + known.meaning[1:] + ".",
		Advice:  known.advice,
	}
}
