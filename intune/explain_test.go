package intune

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"strconv"
	"strings"
	"testing"
)

func TestACodeIsFoundHoweverItIsWritten(t *testing.T) {
	for text, want := range map[string]string{
		"ChallengeExpired":                    "ChallengeExpired",
		"challengeexpired":                    "ChallengeExpired",
		" BadDeviceIDInChallenge\n":           "BadDeviceIdInChallenge",
		"0x80070005":                          "0x80070005 (E_ACCESSDENIED)",
		"0X800b0114":                          "0x800B0114 (CERT_E_INVALID_NAME)",
		"80090020":                            "0x80090020 (NTE_FAIL)",
		"0x80070005 (E_ACCESSDENIED)":         "0x80070005 (E_ACCESSDENIED)",
		"error_timeout":                       "0x800705B4 (ERROR_TIMEOUT)",
		"-2147418113":                         "0x8000FFFF (E_UNEXPECTED)",
		"2147549183":                          "0x8000FFFF (E_UNEXPECTED)",
		"AADSTS7000215":                       "AADSTS7000215",
		"aadsts90002":                         "AADSTS90002",
		"7000222":                             "AADSTS7000222",
		"AADSTS700016: Application with iden": "AADSTS700016",
		"invalid_client: AADSTS7000112, the":  "AADSTS7000112",
	} {
		if e, ok := Explain(text); !ok || e.Name != want {
			t.Errorf("%q is %q, %t", text, e.Name, ok)
		}
	}
	for _, text := range []string{"", "ChallengeExpire", "0x00000000", "0", "1", "-1", "4294967296", "-2147483649", "0x800700051", "AADSTS", "AADSTS1", "AADSTS70002155", "x7000215"} {
		if e, ok := Explain(text); ok {
			t.Errorf("%q is %q", text, e.Name)
		}
	}
}

func TestEverythingKnownIsExplainedUnderItsOwnName(t *testing.T) {
	all := Explanations()
	if want := len(codes) + len(hresults) + len(aadsts); len(all) != want {
		t.Errorf("%d explanations, want %d", len(all), want)
	}
	for _, e := range all {
		if found, ok := Explain(e.Name); !ok || found != e {
			t.Errorf("%s is explained by %+v", e.Name, found)
		}
		for _, sentence := range []string{e.Meaning, e.Advice} {
			if (sentence == "" || !strings.HasSuffix(sentence, ".")) && e.Name != string(CodeSuccess) {
				t.Errorf("%s has the sentence %q", e.Name, sentence)
			}
		}
	}
}

// A value that is added to hresult.go must get its words as well.
func TestEveryHResultIsExplained(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "hresult.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if minus, ok := spec.Values[0].(*ast.UnaryExpr); ok {
			values++
			n, err := strconv.ParseInt("-"+minus.X.(*ast.BasicLit).Value, 0, 32)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := hresults[HResult(n)]; !ok {
				t.Errorf("%s has no words", spec.Names[0].Name)
			}
		}
		return true
	})
	if values == 0 || values != len(hresults) {
		t.Errorf("%d constants, %d explained", values, len(hresults))
	}
}
