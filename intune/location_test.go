package intune

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hostOf validates once and returns the host that was asked.
func hostOf(t *testing.T, s *stub, change ...func(*Config)) (string, error) {
	t.Helper()
	csr, _ := recordedCSR(t)
	inner, host := s.answer, ""
	s.answer = func(op string, n int, r *http.Request) (*http.Response, error) {
		if op == "validateRequest" {
			host = r.URL.Host
		}
		if strings.Contains(r.URL.Host, "evil") {
			t.Errorf("%s was asked, with %q", r.URL.Host, r.Header["Authorization"])
		}
		return inner(op, n, r)
	}
	_, err := newStubClient(t, s, change...).ValidateRequest(t.Context(), "tx", csr)
	return host, err
}

func TestTheFirstServiceOfANameWinsWhateverItsCase(t *testing.T) {
	for name, body := range map[string]string{
		"twice": `{"value":[
			{"providerName":"ScepRequestValidationFEService","uri":"https://first.manage.microsoft.com/x"},
			{"providerName":"ScepRequestValidationFEService","uri":"https://second.manage.microsoft.com/x"}]}`,
		"in other cases": `{"value":[
			{"providerName":"SCEPREQUESTVALIDATIONFESERVICE","uri":"https://first.manage.microsoft.com/x/"},
			{"providerName":"scepRequestValidationFEService","uri":"https://second.manage.microsoft.com/x"}]}`,
	} {
		host, err := hostOf(t, &stub{answer: always("discovery", 200, body)})
		if err != nil || host != "first.manage.microsoft.com" {
			t.Errorf("%s: %q was asked, %v", name, host, err)
		}
	}
}

func TestFurtherPagesAreReadFromGraphOnly(t *testing.T) {
	pages := func(next string) script {
		return func(op string, n int, r *http.Request) (*http.Response, error) {
			switch {
			case op == "discovery" && r.URL.RawQuery == "":
				return answerWith(200, `{"value":[],"@odata.nextLink":"`+next+`"}`), nil
			case op == "discovery" && n < 3:
				return answerWith(200, `{"value":[],"@odata.nextLink":"`+next+`&3"}`), nil
			}
			return nil, nil
		}
	}
	path := "/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints?page=2"
	if host, err := hostOf(t, &stub{answer: pages("https://graph.microsoft.com" + path)}); err != nil || host == "" {
		t.Errorf("on Graph: %q, %v", host, err)
	}
	for _, next := range []string{
		"https://evil.example" + path, "http://graph.microsoft.com" + path, "https://graph.microsoft.com@evil.example" + path,
		"https://graph.microsoft.com.evil.example" + path, "https://x:y@graph.microsoft.com" + path, "/relative",
	} {
		if _, err := hostOf(t, &stub{answer: pages(next)}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", next, err)
		}
	}
}

func TestAListWithoutEndIsGivenUp(t *testing.T) {
	s := &stub{answer: always("discovery", 200, `{"value":[],"@odata.nextLink":"https://graph.microsoft.com/x/endpoints"}`)}
	if _, err := hostOf(t, s); !errors.Is(err, ErrUnavailable) || s.count("discovery") != maxPages {
		t.Errorf("%d pages, %v", s.count("discovery"), err)
	}
}

func TestAnAddressThatHasAgedServesWhileGraphCannotBeAsked(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s)
		validateAtOnce(t, client, csr, 1)
		time.Sleep(time.Hour)
		s.answer = always("discovery", 503, "")
		if err := validateAtOnce(t, client, csr, 1)[0]; err != nil {
			t.Errorf("Intune answers, and yet: %v", err)
		}
		time.Sleep(time.Minute) // loads in the background end
		synctest.Wait()
		// Where Intune is not any more, that does not help.
		s.answer = func(op string, _ int, _ *http.Request) (*http.Response, error) {
			switch op {
			case "discovery":
				return answerWith(503, ""), nil
			case "validateRequest":
				return answerWith(404, ""), nil
			}
			return nil, nil
		}
		if err := validateAtOnce(t, client, csr, 1)[0]; !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnOutageOfGraphIsNoStormOfLookUps(t *testing.T) {
	csr, _ := recordedCSR(t)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		client := newStubClient(t, s, func(c *Config) { c.Retries = 0 })
		validateAtOnce(t, client, csr, 1)
		time.Sleep(locationRenew + time.Minute) // it is due
		s.answer = func(op string, _ int, r *http.Request) (*http.Response, error) {
			if op == "discovery" {
				_ = sleep(r.Context(), 50*time.Millisecond)
				return answerWith(503, ""), nil
			}
			return nil, nil
		}
		before := s.count("discovery")
		for range 6000 { // for five minutes
			if err := validateAtOnce(t, client, csr, 1)[0]; err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		if n := s.count("discovery") - before; n < 9 || n > 11 {
			t.Errorf("%d look-ups, want one every %s", n, renewalPause)
		}
	})
}
