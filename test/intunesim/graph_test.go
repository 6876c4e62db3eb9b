package intunesim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// services asks Graph, following its pages, and returns "name uri" of each entry.
func services(t *testing.T, sim *intunesim.Server) (all []string, pages int) {
	t.Helper()
	c := &caller{t, sim, getToken(t, sim, sim.URL()+"/.default")}
	for next := sim.URL() + endpoint; next != ""; pages++ {
		req := c.request(strings.TrimPrefix(next, sim.URL()), "")
		req.Method = http.MethodGet
		status, answer := c.send(req)
		if status != 200 {
			t.Fatalf("got %d %v", status, answer)
		}
		for _, entry := range answer["value"].([]any) {
			all = append(all, entry.(object)["providerName"].(string)+" "+entry.(object)["uri"].(string))
		}
		next, _ = answer["@odata.nextLink"].(string)
	}
	return all, pages
}

func TestGraphListsIntunesServices(t *testing.T) {
	sim := start(t, intunesim.Options{})
	want := "ScepRequestValidationFEService " + sim.URL() + "/RACerts/StatelessScepRequestValidationService " +
		"PkiConnectorFEService " + sim.URL() + "/TrafficGateway/PkiConnectorFEService UserEndpoint " + sim.URL() + "/Other"
	if got, _ := services(t, sim); strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
	sim.SetServices(nil, 1)
	if got, pages := services(t, sim); strings.Join(got, " ") != want || pages != 3 {
		t.Errorf("got %v in %d pages", got, pages)
	}
}

func TestServicesCanMoveAndLie(t *testing.T) {
	sim := start(t, intunesim.Options{})
	sim.SetServices([]intunesim.Service{
		{ProviderName: "SCEPREQUESTVALIDATIONFESERVICE", URI: "/SU2/Scep/"},
		{ProviderName: "PkiConnectorFEService", URI: "http://elsewhere.example/x"},
	}, 0)
	got, _ := services(t, sim)
	if strings.Join(got, " ") != "SCEPREQUESTVALIDATIONFESERVICE "+sim.URL()+"/SU2/Scep/ PkiConnectorFEService http://elsewhere.example/x" {
		t.Errorf("got %v", got)
	}
	c := newCaller(t, sim)
	body := validation("transaction-1", build(t, device.CSR{}))
	if status, answer := c.send(c.request("/SU2/Scep/ScepActions/validateRequest", body)); status != 200 {
		t.Errorf("the new place: %d %v", status, answer)
	}
	if status, answer := c.send(c.request(scepPath+"validateRequest", body)); status != 404 {
		t.Errorf("the old place: %d %v", status, answer)
	}
	sim.SetServices(nil, 0)
	if status, answer := c.send(c.request(scepPath+"validateRequest", body)); status != 200 {
		t.Errorf("the old place again: %d %v", status, answer)
	}
}
