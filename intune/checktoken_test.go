package intune

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheckLooksAtAudienceAndExpiry(t *testing.T) {
	const graph, own = "https://graph.microsoft.com", "https://api.manage.microsoft.com/"
	for _, test := range []struct {
		name     string
		audience string // JSON
		life     time.Duration
		failed   []string
		advice   string
	}{
		{"two good tokens", `["` + graph + `","` + own + `"]`, time.Hour, nil, ""},
		{"tokens that name the resources by id", `["` + graphResourceID + `","` + intuneResourceID + `"]`, time.Hour, nil, ""},
		{"a token for Graph only", `"` + graph + `"`, time.Hour, []string{"Intune token"}, own},
		{"a token for Intune only", `"` + own + `"`, time.Hour, []string{"Graph token"}, graph},
		{"a token for Intune without its slash", `["` + graph + `","` + strings.TrimSuffix(own, "/") + `"]`, time.Hour, []string{"Intune token"}, own},
		{"tokens for nobody", `[]`, time.Hour, []string{"Graph token", "Intune token"}, "cloud"},
		{"tokens that have expired", `["` + graph + `","` + own + `"]`, -time.Minute, []string{"Graph token", "Intune token"}, "clock"},
	} {
		t.Run(test.name, func(t *testing.T) {
			claims := fmt.Sprintf(`{"aud":%s,"exp":%d,"roles":["scep_challenge_provider"]}`, test.audience, time.Now().Add(test.life).Unix())
			jwt := "e30." + b64.EncodeToString([]byte(claims)) + ".e30"
			client := newStubClient(t, &stub{answer: func(op string, _ int, _ *http.Request) (*http.Response, error) {
				if op != "token" {
					return nil, nil
				}
				return answerWith(200, `{"token_type":"Bearer","expires_in":3599,"access_token":"`+jwt+`"}`), nil
			}})
			var failed []string
			advice := ""
			for _, s := range client.Check(t.Context()) {
				if s.Result == Failed {
					failed = append(failed, s.Name)
					advice += s.Advice
				}
			}
			if !slices.Equal(failed, test.failed) || !strings.Contains(advice, test.advice) {
				t.Errorf("failed %q, want %q; advice %q", failed, test.failed, advice)
			}
		})
	}
}
