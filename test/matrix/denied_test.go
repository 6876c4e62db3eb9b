package matrix

import (
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// A denied name is denied in every form, and a rule about common names takes
// nothing from the other rules. step-ca alone lets a denied common name pass
// unless it is a denied DNS name as well, looks no further at any other common
// name, and sees no denied name in a wildcard or before a second @.
func TestRulesThatStepCAAloneDoesNotEnforce(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]func(map[string]any){"intune": nil}, deny(map[string]any{
		"cn":    []string{"forbidden-device"},
		"dns":   []string{"*.denied.example"},
		"email": []string{"@denied.example"},
	}), nil)
	s.checkNames(t, map[string]named{
		"a common name":                  {subject: "CN=forbidden-device", hint: "forbidden-device"},
		"the first of two common names":  {subject: "CN=device-1,CN=forbidden-device,O=Contoso", hint: "forbidden-device"},
		"the second of two common names": {subject: "CN=forbidden-device,CN=device-1,O=Contoso", hint: "forbidden-device"},
		"a common name beside another":   {subject: "CN=device-1+CN=forbidden-device,O=Contoso", hint: "forbidden-device"},
		"a DNS name as common name":      {subject: "CN=pc.denied.example", hint: "pc.denied.example"},
		"an address as common name":      {subject: "CN=alice@denied.example", hint: "alice@denied.example"},
		"a wildcard":                     {sans: []intunesim.SAN{dns("*.denied.example")}, hint: "*.denied.example"},
		"a wildcard as common name":      {subject: "CN=*.denied.example", hint: "*.denied.example"},
		"an address with two @":          {sans: []intunesim.SAN{mail("alice@denied.example@contoso.example")}, hint: "alice@denied.example"},
		"a UPN with two @":               {sans: []intunesim.SAN{user("alice@denied.example@contoso.example")}, hint: "alice@denied.example"},
	}, failed)
	s.checkNames(t, map[string]named{"another common name": {}}, issued)
}
