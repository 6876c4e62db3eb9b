package matrix

import (
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// named is a request with these names and nothing special otherwise.
type named struct {
	subject string // CN=device-1 when empty
	sans    []intunesim.SAN
	hint    string // in the description of the failure
}

// device returns a Windows request with a challenge that is bound to its names.
func (s *site) device(t *testing.T, subject string, sans ...intunesim.SAN) device.CSR {
	t.Helper()
	challenge := s.challenge(t, intunesim.Challenge{Subject: subject, SANs: append([]intunesim.SAN{}, sans...), DeviceID: deviceID(t)})
	return device.Windows(subject, challenge, deviceSANs(sans)...)
}

func dns(name string) intunesim.SAN     { return intunesim.SAN{Type: "dns", Value: name} }
func mail(address string) intunesim.SAN { return intunesim.SAN{Type: "email", Value: address} }
func user(name string) intunesim.SAN    { return intunesim.SAN{Type: "upn", Value: name} }
func uri(text string) intunesim.SAN     { return intunesim.SAN{Type: "uri", Value: text} }
func ip(address string) intunesim.SAN   { return intunesim.SAN{Type: "ip", Value: address} }

// checkNames sends each request as it is, and with a harmless UPN before and
// after its names, since step-ca alone is blind to all names once there is one.
func (s *site) checkNames(t *testing.T, requests map[string]named, fate fate) {
	t.Helper()
	for name, n := range requests {
		if n.subject == "" {
			n.subject = "CN=device-1"
		}
		harmless := user("alice@contoso.example")
		for how, sans := range map[string][]intunesim.SAN{
			"as it is":     n.sans,
			"after a UPN":  append([]intunesim.SAN{harmless}, n.sans...),
			"before a UPN": append(append([]intunesim.SAN{}, n.sans...), harmless),
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				s.enrol(t, "intune", s.device(t, n.subject, sans...), fate, n.hint)
			})
		}
	}
}

// deny sets authority.policy.x509.deny.
func deny(names map[string]any) func(config map[string]any) {
	return func(config map[string]any) {
		config["authority"].(map[string]any)["policy"] = map[string]any{"x509": map[string]any{"deny": names}}
	}
}

func TestNamesThatThePolicyDeniesAreReportedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]func(map[string]any){"intune": nil}, deny(map[string]any{
		"dns":   []string{"*.denied.example"},
		"email": []string{"@denied.example"},
		"ip":    []string{"192.0.2.0/24"},
		"uri":   []string{"*.denied.example"},
	}), nil)
	s.checkNames(t, map[string]named{
		"a DNS name":                       {sans: []intunesim.SAN{dns("pc.denied.example")}, hint: "pc.denied.example"},
		"a DNS name in capitals":           {sans: []intunesim.SAN{dns("PC.Denied.Example")}, hint: "PC.Denied.Example"},
		"a DNS name after others":          {sans: []intunesim.SAN{dns("pc.contoso.example"), mail("a@contoso.example"), dns("pc.denied.example")}, hint: "pc.denied.example"},
		"an e-mail address":                {sans: []intunesim.SAN{mail("alice@denied.example")}, hint: "alice@denied.example"},
		"a UPN":                            {sans: []intunesim.SAN{user("alice@denied.example")}, hint: "alice@denied.example"},
		"a UPN in capitals":                {sans: []intunesim.SAN{user("alice@DENIED.example")}, hint: "alice@DENIED.example"},
		"a UPN that is no address":         {sans: []intunesim.SAN{user("alice")}, hint: "rfc822Name"},
		"a URI":                            {sans: []intunesim.SAN{uri("https://pc.denied.example/x")}, hint: "https://pc.denied.example/x"},
		"an IP address":                    {sans: []intunesim.SAN{ip("192.0.2.7")}, hint: "192.0.2.7"},
		"a common name that is a DNS name": {subject: "CN=pc.denied.example", hint: "pc.denied.example"},
		"a common name that is an address": {subject: "CN=alice@denied.example", hint: "alice@denied.example"},
		"a common name that is an IP":      {subject: "CN=192.0.2.7", hint: "192.0.2.7"},
		"the first of two common names":    {subject: "CN=device-1,CN=pc.denied.example,O=Contoso", hint: "pc.denied.example"},
		"the second of two common names":   {subject: "CN=pc.denied.example,CN=device-1,O=Contoso", hint: "pc.denied.example"},
		"an address in the subject":        {subject: "CN=device-1,emailAddress=alice@denied.example", hint: "alice@denied.example"},
		"a common name beside another":     {subject: "CN=device-1+CN=pc.denied.example,O=Contoso", hint: "pc.denied.example"},
		// To step-ca's policy every common name is a host name, unless a rule allows it.
		"a common name of two words": {subject: "CN=Alice Smith", hint: "Alice Smith"},
	}, failed)
	s.checkNames(t, map[string]named{
		"other names": {subject: "CN=device-1,CN=devices,O=Contoso", sans: []intunesim.SAN{
			dns("pc.contoso.example"), mail("alice@contoso.example"), ip("198.51.100.7"), uri("https://pc.contoso.example/x")}},
		"a name that only looks alike": {sans: []intunesim.SAN{dns("denied.example.contoso.example"), mail("alice@undenied.example")}},
	}, issued)
}

// An allow list knows no URIs without a host: with one, the SID reaches the
// certificate through a template without URIs only.
func TestAnAllowListNeedsATemplateWithoutURIs(t *testing.T) {
	t.Parallel()
	_, templates := documented(t)
	sid := profile(map[string]any{"sidFromSAN": true})
	s := newSite(t, map[string]func(map[string]any){
		"intune":     sid,
		"leaves-out": all(sid, template(templates[1])),
	}, func(config map[string]any) {
		config["authority"].(map[string]any)["policy"] = map[string]any{"x509": map[string]any{"allow": map[string]any{
			"cn":    []string{"Alice Smith"},
			"dns":   []string{"*.contoso.example", "localhost"},
			"email": []string{"@contoso.example"},
			"ip":    []string{"127.0.0.1"},
		}}}
	}, nil)
	names := []intunesim.SAN{user("alice@contoso.example"), uri(sidURI + honestSID)}
	t.Run("a URI is not allowed", func(t *testing.T) {
		t.Parallel()
		s.enrol(t, "intune", s.device(t, "CN=Alice Smith", names...), failed, "uri")
	})
	t.Run("without URIs", func(t *testing.T) {
		t.Parallel()
		checkSID(t, s.inspect(t, s.enrol(t, "leaves-out", s.device(t, "CN=Alice Smith", names...), issued, "")))
	})
	t.Run("a common name that is not in the list", func(t *testing.T) {
		t.Parallel()
		s.enrol(t, "leaves-out", s.device(t, "CN=device-1", names...), failed, "device-1")
	})
	t.Run("a UPN that is not in the list", func(t *testing.T) {
		t.Parallel()
		s.enrol(t, "leaves-out", s.device(t, "CN=Alice Smith", user("alice@fabrikam.example")), failed, "alice@fabrikam.example")
	})
}
