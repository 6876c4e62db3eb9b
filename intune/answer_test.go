package intune

import (
	"strings"
	"testing"
)

func TestOnlyTheExactAnswerApproves(t *testing.T) {
	for _, body := range []string{
		`{"code":"Success","errorDescription":""}`,
		`{"@odata.context":"https://x/$metadata#ScepActions","code":"Success","errorDescription":"fine"}`,
		" {\"errorDescription\":\"\",\r\n\"code\":\"Success\"}\n",
		`{"code":"Succes\u0073","errorDescription":"","more":{"code":1}}`,
	} {
		if o := readAnswer([]byte(body)); o.err != nil || o.code != CodeSuccess {
			t.Errorf("%s is not approved: %v", body, o.err)
		}
	}
	for name, body := range map[string]string{
		"no body":                       "",
		"HTML":                          "<html>Success</html>",
		"truncated":                     `{"code":"Success","errorDescription":"`,
		"a brace too few":               `{"code":"Success","errorDescription":""`,
		"no description":                `{"code":"Success"}`,
		"no code":                       `{"errorDescription":""}`,
		"a description that is null":    `{"code":"Success","errorDescription":null}`,
		"a code that is null":           `{"code":null,"errorDescription":""}`,
		"a code in a list":              `{"code":["Success"],"errorDescription":""}`,
		"an empty code":                 `{"code":"","errorDescription":""}`,
		"a list around it":              `[{"code":"Success","errorDescription":""}]`,
		"a string":                      `"Success"`,
		"something after it":            `{"code":"Success","errorDescription":""}{}`,
		"a word after it":               `{"code":"Success","errorDescription":""} x`,
		"Success in lower case":         `{"code":"success","errorDescription":""}`,
		"Success with a blank":          `{"code":"Success ","errorDescription":""}`,
		"Success with a NUL":            `{"code":"Success\u0000","errorDescription":""}`,
		"another code":                  `{"code":"SuccessButNot","errorDescription":""}`,
		"two codes":                     `{"code":"ChallengeExpired","code":"Success","errorDescription":""}`,
		"two equal codes":               `{"code":"Success","code":"Success","errorDescription":""}`,
		"a second code in another case": `{"code":"Success","Code":"ChallengeExpired","errorDescription":""}`,
		"keys in another case":          `{"Code":"Success","ErrorDescription":""}`,
		"a key that folds to code":      `{"code":"Success","errorDe\u017fcription":"x","errorDescription":""}`,
		"bytes that are not UTF-8":      "{\"code\":\"Success\",\"errorDescription\":\"\xff\"}",
		"a byte order mark":             "\ufeff" + `{"code":"Success","errorDescription":""}`,
		"the answer one level down":     `{"value":{"code":"Success","errorDescription":""}}`,
	} {
		if o := readAnswer([]byte(body)); o.err == nil {
			t.Errorf("%s is approved: %s", name, body)
		}
	}
}

func TestAnUnknownCodeKeepsItsTextAndRefuses(t *testing.T) {
	o := readAnswer([]byte(`{"code":"NewIn2030","errorDescription":"line\nbreak"}`))
	if o.err == nil || o.err.Kind != ErrRefused || o.err.Code != "NewIn2030" || o.err.Description != "line break" {
		t.Errorf("got %+v", o.err)
	}
	if o.err.Code.Known() || o.err.Code.Explanation() == "" || o.err.Advice == "" {
		t.Errorf("an unknown code without words: %+v", o.err)
	}
	long := readAnswer([]byte(`{"code":"` + strings.Repeat("Success", 1000) + `","errorDescription":""}`))
	if long.err == nil || len(long.err.Code) > maxCode {
		t.Errorf("a long code is kept whole")
	}
}

func TestEveryCodeHasWords(t *testing.T) {
	if len(codes) != 26 {
		t.Errorf("%d codes, want 26", len(codes))
	}
	for code := range codes {
		if !code.Known() || !strings.HasSuffix(code.Explanation(), ".") {
			t.Errorf("%s is explained by %q", code, code.Explanation())
		}
		if (code.Advice() == "") != (code == CodeSuccess) {
			t.Errorf("%s has the advice %q", code, code.Advice())
		}
		body := `{"code":"` + string(code) + `","errorDescription":"x"}`
		if o := readAnswer([]byte(body)); (o.err == nil) != (code == CodeSuccess) || o.code != code {
			t.Errorf("%s: %v", code, o.err)
		}
	}
}
