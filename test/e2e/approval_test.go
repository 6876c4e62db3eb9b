package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// timeout is the budget of an enrolment where a test waits for its end.
const timeout = 4 * time.Second

// short sets the budget.
func short(entry map[string]any, _ *harness.Options) { settings(entry)["timeout"] = timeout.String() }

func settings(entry map[string]any) map[string]any { return entry["intune"].(map[string]any) }

// doubt is an answer of Intune, or none, that is not exactly an approval.
type doubt struct {
	fault intunesim.Fault // without operation
	log   string          // in the outcome
}

// doubts are the answers that mean no, whatever they mean.
var doubts = map[string]doubt{
	"a code that nobody knows":      {intunesim.Fault{Code: "BadMoonRising"}, "BadMoonRising"},
	"the code Unknown":              {intunesim.Fault{Code: "Unknown"}, "Unknown"},
	"success in another spelling":   {intunesim.Fault{Code: "success"}, "success"},
	"HTTP 204":                      {intunesim.Fault{Status: http.StatusNoContent}, "204"},
	"HTTP 500":                      {intunesim.Fault{Status: http.StatusInternalServerError}, "500"},
	"an empty body":                 {intunesim.Fault{Status: http.StatusOK}, "not a JSON object"},
	"HTML":                          {intunesim.Fault{Body: "<html><body>Our services aren't available right now</body></html>"}, "JSON"},
	"truncated JSON":                {intunesim.Fault{Body: `{"code":"Success","errorDes`}, "JSON"},
	"a code without description":    {intunesim.Fault{Body: `{"code":"Success"}`}, "errorDescription"},
	"a description without code":    {intunesim.Fault{Body: `{"errorDescription":""}`}, "code"},
	"success with HTTP 202":         {intunesim.Fault{Status: http.StatusAccepted, Body: `{"code":"Success","errorDescription":""}`}, "202"},
	"a redirect":                    {intunesim.Fault{Status: http.StatusTemporaryRedirect, Header: map[string]string{"Location": "/elsewhere"}}, "307"},
	"a hang beyond the timeout":     {intunesim.Fault{Delay: time.Minute}, "deadline"},
	"a connection that is cut":      {intunesim.Fault{Drop: true}, "EOF"},
	"a refusal with HTTP 401":       {intunesim.Fault{Status: http.StatusUnauthorized}, "401"},
	"a missing role, HTTP 403":      {intunesim.Fault{Status: http.StatusForbidden}, "403"},
	"a body of four megabytes":      {intunesim.Fault{Body: strings.Repeat(" ", 4<<20) + `{"code":"Success","errorDescription":""}`}, "larger than allowed"},
	"two answers one after another": {intunesim.Fault{Body: `{"code":"Success","errorDescription":""}{"code":"Unknown","errorDescription":""}`}, "something follows"},
}

// Promise 1: no certificate leaves unless Intune answered Success for exactly
// this request.
func TestNothingIsIssuedWhenIntuneDoesNotApprove(t *testing.T) {
	for name, d := range doubts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, short)
			d.fault.Operation = intunesim.OpValidate
			s.fault(d.fault)
			s.refuses(d.log)
			if n := len(s.calls(intunesim.OpSuccess)); n != 0 {
				t.Errorf("Intune received %d success notifications", n)
			}
		})
	}
}

// Promise 1, when Intune cannot even be asked.
func TestNothingIsIssuedWhenIntuneCannotBeAsked(t *testing.T) {
	discovered := func(uri string) func(*site) {
		return func(s *site) {
			if err := s.sim.SetServices([]intunesim.Service{{ProviderName: "ScepRequestValidationFEService", URI: uri}}, 0); err != nil {
				s.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		arrange func(*site)
		log     string
	}{
		"because the secret is wrong": {func(s *site) {
			if err := s.sim.SetSecrets([]string{"another"}, nil); err != nil {
				s.Fatal(err)
			}
		}, "AADSTS7000215"},
		"because the secret has expired": {func(s *site) {
			if err := s.sim.SetSecrets([]string{"another"}, []string{intunesim.DefaultSecret}); err != nil {
				s.Fatal(err)
			}
		}, "AADSTS7000222"},
		"because the secret's file is gone": {func(s *site) {
			if err := os.Remove(harness.SecretFile(intune, s.sim)); err != nil {
				s.Fatal(err)
			}
		}, "secret"},
		"because Intune's role is missing": {func(s *site) {
			if err := s.sim.SetTokens(intunesim.Tokens{IntuneRoles: []string{"another"}}); err != nil {
				s.Fatal(err)
			}
		}, "scep_challenge_provider"},
		"because Graph's permission is missing": {func(s *site) {
			if err := s.sim.SetTokens(intunesim.Tokens{GraphRoles: []string{"User.Read.All"}}); err != nil {
				s.Fatal(err)
			}
		}, "Application.Read.All"},
		"because the service is not listed": {func(s *site) {
			if err := s.sim.SetServices([]intunesim.Service{{ProviderName: "PkiConnectorFEService", URI: "/PkiConnector"}}, 0); err != nil {
				s.Fatal(err)
			}
		}, "ScepRequestValidationFEService"},
		"because the service is at http": {discovered("http://127.0.0.1/RACerts"), "http://127.0.0.1"},
		"because the service is at a stranger's": {func(s *site) {
			discovered(elsewhere(s.sim))(s)
		}, `the host \"localhost\"`},
		"because Graph hangs": {func(s *site) {
			s.fault(intunesim.Fault{Operation: intunesim.OpDiscovery, Delay: time.Minute})
		}, "deadline"},
		"because Entra ID hangs": {func(s *site) {
			s.fault(intunesim.Fault{Operation: intunesim.OpToken, Delay: time.Minute})
		}, "deadline"},
		"because nothing listens any more": {func(s *site) { s.sim.Kill() }, "connect"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, short)
			c := s.connect(intune)
			m := s.prepare(c, s.genuine("device-1"))
			test.arrange(s)
			s.refused(c, m, test.log)
		})
	}
}

// elsewhere is an address of Intune's service that works, under a name that is not
// among allowedServiceHosts.
func elsewhere(sim *harness.Sim) string {
	return strings.Replace(sim.URL(), "127.0.0.1", "localhost", 1) + "/RACerts/StatelessScepRequestValidationService"
}

// refuses enrols a genuine device and checks that it is refused as it should.
func (s *site) refuses(log string) {
	s.Helper()
	c := s.connect(intune)
	s.refused(c, s.prepare(c, s.genuine("device-1")), log)
}

// refused checks that a message gets a FAILURE, that the log says why, and that
// Intune knows of no certificate and of no failure.
func (s *site) refused(c *device.Client, m *device.Message, log string) {
	s.Helper()
	result := s.send(c, m)
	if result.Status != scep.FAILURE || result.Certificate != nil {
		s.Errorf("got %s", describe(result))
	}
	if line := s.outcome(m.TransactionID); !strings.Contains(line, log) {
		s.Errorf("the log does not say %q: %s", log, line)
	}
	if s.isGone() {
		return
	}
	if issued := s.listed(intunesim.StateIssued); len(issued) != 0 {
		s.Errorf("Intune lists %+v", issued)
	}
	if n := len(s.calls(intunesim.OpFailure)); n != 0 {
		s.Errorf("Intune received %d failure notifications", n)
	}
	if n := len(s.calls(intunesim.OpUnknown)); n != 0 {
		s.Errorf("Intune received %d calls at a strange address", n)
	}
}
