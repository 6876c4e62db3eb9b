package setup

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBadInputIsRefusedByTheNameOfItsFlag(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, test := range map[string]struct {
		flags map[string]string
		want  string
	}{
		"no tenant":                  {map[string]string{"tenant": ""}, "--tenant: is missing"},
		"a tenant that is a URL":     {map[string]string{"tenant": "https://contoso.example"}, "--tenant: "},
		"any tenant":                 {map[string]string{"tenant": "common"}, "--tenant: "},
		"no application":             {map[string]string{"client-id": ""}, "--client-id: is missing"},
		"an application by its name": {map[string]string{"client-id": "My CA"}, `--client-id: "My CA"`},
		"no secret":                  {map[string]string{"secret-file": ""}, "--secret-file: is missing"},
		"a secret file that is gone": {map[string]string{"secret-file": none}, "--secret-file: "},
		"an empty secret":            {map[string]string{"secret-file": write(t, " \n")}, "--secret-file: "},
		"two lines":                  {map[string]string{"secret-file": write(t, "one\ntwo\n")}, "--secret-file: "},
		"the id of a secret":         {map[string]string{"secret-file": write(t, "22222222-3333-4444-5555-666666666666")}, "--secret-file: this is the id"},
		"a cloud that is not":        {map[string]string{"cloud": "private"}, "--cloud: "},
		"China without its endpoint": {map[string]string{"cloud": "china"}, "--intune-endpoint: required"},
		"login without TLS":          {map[string]string{"login-endpoint": "http://login.example"}, "--login-endpoint: "},
		"Graph with a query":         {map[string]string{"graph-endpoint": "https://graph.example/?a"}, "--graph-endpoint: "},
		"a proxy without a scheme":   {map[string]string{"proxy": "proxy.example:3128"}, "--proxy: "},
		"a proxy with a password":    {map[string]string{"proxy": "http://me:sesame@proxy.example:3128"}, "--proxy: "},
		"roots that are not there":   {map[string]string{"root-cas": none}, "--root-cas: "},
		"roots that are none":        {map[string]string{"root-cas": write(t, "not PEM")}, "--root-cas: "},
		"a key type of its own":      {map[string]string{"kty": "OKP"}, `--kty: "OKP"`},
		"a name too long":            {map[string]string{"name": strings.Repeat("x", 49)}, "--name: "},
		"a name of two lines":        {map[string]string{"name": "a\nb"}, "--name: "},
		"a URL for a DNS name":       {map[string]string{"dns": "https://ca.example"}, "--dns: "},
		"a DNS name and nothing":     {map[string]string{"dns": "ca.example,"}, "--dns: "},
		"a wildcard":                 {map[string]string{"dns": "*.example"}, "--dns: "},
		"an address without port":    {map[string]string{"address": "127.0.0.1"}, "--address: "},
		"an address with no number":  {map[string]string{"address": ":"}, "--address: "},
		"a port too large":           {map[string]string{"insecure-address": ":65536"}, "--insecure-address: "},
		"a status for everybody":     {map[string]string{"status-address": "0.0.0.0:9190"}, "--status-address: "},
		"a provisioner with a slash": {map[string]string{"provisioner": "a/b"}, "--provisioner: "},
		"a provisioner of dots":      {map[string]string{"provisioner": ".."}, "--provisioner: "},
		"an empty password":          {map[string]string{"password-file": write(t, "\n")}, "--password-file: "},
		"no CA there":                {map[string]string{"existing": none}, "--existing: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := tryPrepare(t, test.flags)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("a password is in %q", err)
			}
		})
	}
}

func TestWhatIsForANewCAIsRefusedForOneThatIsThere(t *testing.T) {
	for flag, value := range map[string]string{
		"dir": "x", "name": "x", "dns": "x", "address": ":1", "insecure-address": ":1", "status-address": "127.0.0.1:1", "kty": "EC",
	} {
		err := tryPrepare(t, map[string]string{"existing": "ca.json", flag: value})
		if want := "--" + flag + ": does not go together with --existing"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("--%s: got %v", flag, err)
		}
	}
}

func TestTheSecretComesFromTheEnvironment(t *testing.T) {
	t.Setenv(SecretEnv, "from~the.environment\n")
	for file, want := range map[string]string{"": "from~the.environment", write(t, "\xef\xbb\xbffrom~the.file\r\n"): "from~the.file"} {
		o := options(t, map[string]string{"secret-file": file})
		if err := o.Complete(nil); err != nil || string(o.secret) != want {
			t.Errorf("%v, got %q", err, string(o.secret))
		}
	}
}

// operator answers from a list.
type operator struct {
	answers map[string]string
	asked   []string
}

func (o *operator) Ask(question, preset string, check func(string) error) (string, error) {
	o.asked = append(o.asked, question)
	answer, ok := o.answers[question]
	if !ok {
		answer = preset
	}
	return answer, check(answer)
}

func (o *operator) AskSecret(question string, check func(string) error) (string, error) {
	return o.Ask(question, "", check)
}

func TestOnlyWhatNoFlagSaysIsAskedFor(t *testing.T) {
	flags := map[string]string{"tenant": "", "client-id": "", "secret-file": "", "dns": ""}
	o := options(t, flags)
	asked := &operator{answers: map[string]string{
		"Tenant in Microsoft Entra ID, by name or id":                              testTenant,
		"Application (client) id":                                                  testClient,
		"Client secret (its value)":                                                testSecret,
		"Names and IP addresses that devices reach the CA at, separated by commas": "ca.contoso.example",
	}}
	if err := o.Complete(asked); err != nil {
		t.Fatal(err)
	}
	want := []string{"Name of the CA", "Names and IP addresses that devices reach the CA at, separated by commas", "Address that the CA listens at",
		"Tenant in Microsoft Entra ID, by name or id", "Application (client) id", "Client secret (its value)"}
	if !slices.Equal(asked.asked, want) {
		t.Errorf("asked %q", asked.asked)
	}
	if o.name != "Devices" || o.address != ":443" || o.tenant != testTenant || string(o.secret) != testSecret {
		t.Errorf("got %+v", o)
	}
	all := &operator{}
	if err := options(t, map[string]string{"name": "Contoso", "address": ":443"}).Complete(all); err != nil || len(all.asked) > 0 {
		t.Errorf("%v, asked %q", err, all.asked)
	}
}

func TestAnAnswerThatCannotBeHadEndsIt(t *testing.T) {
	o := options(t, map[string]string{"tenant": ""})
	if err := o.Complete(&operator{}); err == nil || err.Error() != "--tenant: is missing" {
		t.Errorf("got %v", err)
	}
	if err := flagged("a", flagged("b", errors.New("c"))); err.Error() != "--b: c" {
		t.Errorf("got %q", err)
	}
}
