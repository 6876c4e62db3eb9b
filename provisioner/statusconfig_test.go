package provisioner

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/cas/apiv1"
)

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAMistakeInTheTopLevelBlockIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		block any
		want  string
	}{
		"an unknown key":             {object{"statusAdress": "127.0.0.1:9190"}, "intune.statusAdress: unknown key"},
		"a key of an entry":          {object{"tenant": "contoso.onmicrosoft.com"}, "intune.tenant: unknown key"},
		"a wrong kind of value":      {object{"statusAddress": 9190}, "intune.statusAddress: a number where a string belongs"},
		"no object":                  {"127.0.0.1:9190", "intune: a string where an object belongs"},
		"an address without port":    {object{"statusAddress": "127.0.0.1"}, "intune.statusAddress"},
		"an address of all machines": {object{"statusAddress": ":9190"}, "set statusAllowRemote"},
		"an address of the network":  {object{"statusAddress": "10.0.0.5:9190", "statusAllowRemote": false}, "set statusAllowRemote"},
	} {
		t.Run(name, func(t *testing.T) {
			wantOneLine(t, startError(t, set(test.block, "intune"), intuneEntry(t, "intune")), test.want)
			wantOneLine(t, startError(t, set(test.block, "intune"), scepEntry("scep")), test.want)
		})
	}
}

func TestAKeyThatIsTwiceAtTheTopIsRefused(t *testing.T) {
	for _, text := range []string{
		`{"intune": {}, "Intune": {"statusAddress": "127.0.0.1:9190"}}`,
		`{"intune": {"statusAddress": "127.0.0.1:9190", "statusaddress": "127.0.0.1:9191"}}`,
	} {
		_, err := StatusAddress(writeFile(t, t.TempDir()+"/ca.json", []byte(text)))
		wantOneLine(t, err, "the key is there twice")
	}
}

func TestACAThatIsNotOurSortHasNoStatus(t *testing.T) {
	block := set(object{"statusAddress": "127.0.0.1:9190"}, "intune")
	a := mustAuthority(t, writeCA(t, block, scepEntry("scep")))
	_, err := newPlugin().construct(authority.NewContext(t.Context(), a), apiv1.Options{}, apiv1.StepCAS, nil)
	wantOneLine(t, err, "intune.statusAddress", `authority.type "stepcas"`)
}

func answers(address string) bool {
	res, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// A command such as `step-ca export` makes an authority and never serves.
func TestTheListenerBeginsWithTheServerCertificate(t *testing.T) {
	for name, entry := range map[string]object{"an Intune entry": intuneEntry(t, "intune"), "another entry": scepEntry("scep")} {
		t.Run(name, func(t *testing.T) {
			address := freeAddress(t)
			p := newPlugin()
			r, err := constructPlugin(t, p, writeCA(t, both(withDatabase(t), set(object{"statusAddress": address}, "intune")), entry), newFakeClient())
			if err != nil {
				t.Fatal(err)
			}
			if answers(address) {
				t.Error("it listens before the CA serves")
			}
			if _, err := r.authority.GetTLSCertificate(); err != nil {
				t.Fatal(err)
			}
			if !answers(address) {
				t.Error("it does not listen")
			}
			p.Stop()
			if answers(address) {
				t.Error("it listens after the stop")
			}
		})
	}
}

func TestAReloadMovesTheListenerOrIsRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	first, second := freeAddress(t), freeAddress(t)
	p, file := newPlugin(), writeCA(t, set(object{"statusAddress": first}, "intune"), intuneEntry(t, "intune"))
	t.Cleanup(p.Stop)
	load := func() error {
		r, err := constructPlugin(t, p, file, newFakeClient())
		if err == nil {
			_, err = r.authority.GetTLSCertificate()
		}
		return err
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name  string
		block object
		want  string // error
		at    string // where it listens afterwards
	}{
		{"the same address", object{"statusAddress": first}, "", first},
		{"a mistake", object{"statusAddress": second, "colour": "blue"}, "intune.colour", first},
		{"an address of others", object{"statusAddress": "0.0.0.0:9190"}, "statusAllowRemote", first},
		{"an address that is taken", object{"statusAddress": taken.Addr().String()}, "intune.statusAddress: listening", first},
		{"another address", object{"statusAddress": second}, "", second},
		{"none", object{}, "", ""},
		{"one again", object{"statusAddress": first}, "", first},
	} {
		copyFile(t, writeCA(t, set(step.block, "intune"), intuneEntry(t, "intune")), file)
		if err := load(); (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("%s: got %v, want %q", step.name, err, step.want)
		}
		for _, address := range []string{first, second} {
			if answers(address) != (address == step.at) {
				t.Errorf("%s: wrong at %s, it should be at %q", step.name, address, step.at)
			}
		}
	}
}
