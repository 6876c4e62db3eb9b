package intune

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// scopesAndAddresses lets a client ask for everything once and tells what it
// asked where.
func scopesAndAddresses(t *testing.T, cloud Cloud, own Endpoints) map[string]string {
	t.Helper()
	csr, _ := recordedCSR(t)
	asked := make(map[string]string)
	s := &stub{}
	client := newStubClient(t, s, func(c *Config) { c.Cloud, c.Endpoints = cloud, own })
	s.answer = func(op string, n int, r *http.Request) (*http.Response, error) {
		switch op {
		case "configuration":
			login, _, _ := strings.Cut(r.URL.String(), "/v2.0/")
			asked["login"] = login
			return answerWith(200, openIDConfiguration(strings.TrimSuffix(login, stubTenant), stubTenant)), nil
		case "token":
			form, err := readForm(r)
			if err != nil {
				return nil, err
			}
			for scope := range strings.FieldsSeq(form.Get("scope")) {
				if strings.HasPrefix(scope, "https://") {
					asked[map[int]string{1: "graph scope", 2: "scope"}[n]] = scope
				}
			}
		case "discovery":
			asked["lookup"] = r.URL.String()
			return answerWith(200, servicesAt("https://"+client.hosts[0])), nil
		}
		return nil, nil
	}
	if _, err := client.ValidateRequest(context.Background(), "tx", csr); err != nil {
		t.Fatal(err)
	}
	asked["hosts"] = strings.Join(client.hosts, " ")
	return asked
}

func readForm(r *http.Request) (url.Values, error) {
	if r.Body == nil {
		return nil, errors.New("no body")
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	return r.PostForm, nil
}
