package provisioner

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// startError returns what stops the start of a CA with these provisioners.
func startError(t *testing.T, edit func(object), provisioners ...object) error {
	t.Helper()
	r, err := constructPlugin(t, newPlugin(), writeCA(t, edit, provisioners...), newFakeClient())
	if err != nil {
		return err
	}
	_, err = r.authority.GetTLSCertificate()
	return err
}

// wantOneLine checks that an error is one line that holds all of want.
func wantOneLine(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("the start does not fail")
	}
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("more than one line: %q", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestAMistakeInAnEntryIsNamedWithProvisionerAndKey(t *testing.T) {
	empty := writeFile(t, filepath.Join(t.TempDir(), "empty"), []byte(" \n"))
	noPEM := writeFile(t, filepath.Join(t.TempDir(), "text"), []byte("hello"))
	type path []string
	for name, test := range map[string]struct {
		at    path
		value any
		want  string
	}{
		"an unknown key of the entry":           {path{"colour"}, "blue", `provisioner "intune": colour: unknown key`},
		"an unknown key of intune":              {path{"intune", "tenent"}, "x", `provisioner "intune": intune.tenent: unknown key`},
		"an unknown key below":                  {path{"intune", "credential", "secret"}, "x", `intune.credential.secret: unknown key`},
		"a secret written inline":               {path{"intune", "credential"}, "s3cret", `intune.credential: a string where an object belongs`},
		"intune is null":                        {path{"intune"}, nil, `provisioner "intune": intune.tenant: is missing`},
		"a wrong kind of value":                 {path{"intune", "retries"}, "two", `intune.retries: a string where a number belongs`},
		"a wrong kind of value in the entry":    {path{"minimumPublicKeyLength"}, "long", `minimumPublicKeyLength: a string where a number belongs`},
		"no tenant":                             {path{"intune", "tenant"}, "", `intune.tenant`},
		"a tenant that is none":                 {path{"intune", "tenant"}, "https://x", `intune: tenant: "https://x"`},
		"the tenant of everybody":               {path{"intune", "tenant"}, "common", `tenant: "common"`},
		"no client id":                          {path{"intune", "clientID"}, "", `intune.clientID`},
		"a client id that is none":              {path{"intune", "clientID"}, "app", `clientID: "app"`},
		"no credential":                         {path{"intune", "credential"}, nil, `intune.credential: is missing`},
		"an empty credential":                   {path{"intune", "credential"}, object{}, `intune.credential: exactly one of`},
		"two credentials":                       {path{"intune", "credential", "secretEnv"}, "HOME", `intune.credential: exactly one of`},
		"a secret file that is missing":         {path{"intune", "credential"}, object{"secretFile": "/nonexistent/secret"}, `intune.credential.secretFile: the file "/nonexistent/secret": no such file`},
		"a secret file that is empty":           {path{"intune", "credential"}, object{"secretFile": empty}, `intune.credential.secretFile: the file "` + empty + `": is empty`},
		"an environment variable that is unset": {path{"intune", "credential"}, object{"secretEnv": "NOT_SET_ANYWHERE"}, `intune.credential.secretEnv: the environment variable "NOT_SET_ANYWHERE"`},
		"a token file that is missing":          {path{"intune", "credential"}, object{"federatedTokenFile": "/nonexistent/token"}, `intune.credential.federatedTokenFile`},
		"a certificate without key":             {path{"intune", "credential"}, object{"certificate": noPEM}, `intune.credential.key: is missing`},
		"a key without certificate":             {path{"intune", "credential"}, object{"key": noPEM}, `intune.credential.certificate: is missing`},
		"a certificate that is none":            {path{"intune", "credential"}, object{"certificate": noPEM, "key": noPEM}, `intune.credential.certificate`},
		"an unknown cloud":                      {path{"intune", "cloud"}, "mars", `cloud`},
		"an endpoint without https":             {path{"intune", "endpoints", "graph"}, "http://localhost", `intune.endpoints.graph: is not an https URL`},
		"an endpoint with a user":               {path{"intune", "endpoints", "login"}, "https://a:b@localhost", `intune.endpoints.login`},
		"a host that is a URL":                  {path{"intune", "allowedServiceHosts"}, []any{"https://x"}, `intune.allowedServiceHosts: "https://x" is not a host name`},
		"any host":                              {path{"intune", "allowedServiceHosts"}, []any{"*"}, `intune.allowedServiceHosts`},
		"a proxy without URL":                   {path{"intune", "proxy"}, object{"username": "x"}, `intune.proxy`},
		"a file of roots that is missing":       {path{"intune", "tls", "rootCAs"}, "/nonexistent/roots", `intune.tls.rootCAs: open /nonexistent/roots`},
		"a file of roots without any":           {path{"intune", "tls", "rootCAs"}, noPEM, `intune.tls.rootCAs: ` + noPEM + ` holds no PEM certificate`},
		"a time-out that is none":               {path{"intune", "timeout"}, "soon", `intune.timeout: "soon" is not a duration`},
		"a time-out of zero":                    {path{"intune", "timeout"}, "0s", `intune.timeout: "0s" is not positive`},
		"a time-out that step-ca cuts off":      {path{"intune", "timeout"}, "13.1s", `intune.timeout: "13.1s" is more than 13s`},
		"negative retries":                      {path{"intune", "retries"}, -1, `intune.retries: -1 is negative`},
		"too many retries":                      {path{"intune", "retries"}, 1000, `retries`},
		"nobody at Intune at once":              {path{"intune", "maxConcurrent"}, 0, `intune.maxConcurrent: 0`},
		"a profile that is wrong":               {path{"intune", "profile", "unknownSANs"}, "keep", `profile.unknownSANs: "keep"`},
		"an unknown usage":                      {path{"intune", "profile", "extKeyUsage"}, []any{"flying"}, `profile.extKeyUsage: unknown usage "flying"`},
		"a static challenge":                    {path{"challenge"}, "x", `provisioner "intune": challenge: does not belong`},
		"an empty static challenge":             {path{"challenge"}, "", `provisioner "intune": challenge: does not belong`},
		"a static challenge in other letters":   {path{"Challenge"}, "x", `provisioner "intune": challenge: does not belong`},
		"forceCN":                               {path{"forceCN"}, true, `provisioner "intune": forceCN`},
		"short keys":                            {path{"minimumPublicKeyLength"}, 1024, `minimumPublicKeyLength: 1024`},
		"no extension":                          {path{"claims", "disableSmallstepExtensions"}, true, `claims.disableSmallstepExtensions: must not be set`},
		"a challenge hook of the operator":      {path{"options", "webhooks"}, []any{hook("mine", "SCEPCHALLENGE")}, `options.webhooks: webhook "mine" is of kind "SCEPCHALLENGE"`},
		"the same in other letters":             {path{"options", "webhooks"}, []any{hook("mine", "scepChallenge")}, `options.webhooks`},
		"a hook with our name":                  {path{"options", "webhooks"}, []any{hook("Intune", "ENRICHING")}, `options.webhooks: the name "intune" is taken`},
		"a hook that is null":                   {path{"options", "webhooks"}, []any{nil}, `options.webhooks: an element is null`},
		"a cipher that step-ca lacks":           {path{"encryptionAlgorithmIdentifier"}, 99, `provisioner "intune": step-ca could not initialise it`},
	} {
		t.Run(name, func(t *testing.T) {
			entry := with(intuneEntry(t, "intune"), test.value, test.at...)
			wantOneLine(t, startError(t, nil, entry), `provisioner "intune"`, test.want)
		})
	}
}

func TestAnEntryWithoutTypeOrNameIsNamedByItsPlace(t *testing.T) {
	nameless := intuneEntry(t, "")
	wantOneLine(t, startError(t, nil, scepEntry("scep"), nameless), `provisioner "#2": name: is missing`)
	lacking := intuneEntry(t, "intune")
	delete(lacking, "intune")
	wantOneLine(t, startError(t, nil, lacking), `provisioner "intune": intune: is missing`)
}

func TestAnIntuneBlockOfAnotherTypeStopsTheStart(t *testing.T) {
	for _, typ := range []string{"SCEP", "scep", "JWK", "", "Intunes"} {
		entry := with(intuneEntry(t, "intune"), typ, "type")
		wantOneLine(t, startError(t, nil, entry), `provisioner "intune": type: is "`+typ+`" but the entry has an intune block`)
	}
	loud := with(scepEntry("scep"), object{}, "INTUNE")
	wantOneLine(t, startError(t, nil, loud), `provisioner "scep": type: is "SCEP"`)
}

func TestTheKeysOfAnEntryMayBeSpelledInAnyCase(t *testing.T) {
	entry := intuneEntry(t, "loud")
	loud := object{"TYPE": "iNTUNE", "NAME": "loud", "Intune": entry["intune"], "CLAIMS": oneYear()}
	r := startPlugin(t, writeCA(t, nil, loud), newFakeClient())
	if r.instance.entries["loud"] == nil {
		t.Error("not served")
	}
}

func TestAKeyThatIsThereTwiceIsRefused(t *testing.T) {
	for name, entry := range map[string]object{
		"claims":           with(intuneEntry(t, "intune"), object{}, "Claims"),
		"intune.tenant":    with(intuneEntry(t, "intune"), "x", "intune", "Tenant"),
		"intune.reporting": with(with(intuneEntry(t, "intune"), "strict", "intune", "reporting"), "queued", "intune", "Reporting"),
	} {
		err := startError(t, nil, entry)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), name+": the key is there twice") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestANameThatAnIntuneEntrySharesIsRefused(t *testing.T) {
	for name, entries := range map[string][]object{
		"with an Intune entry":            {intuneEntry(t, "same"), intuneEntry(t, "same")},
		"with a SCEP entry before":        {scepEntry("same"), intuneEntry(t, "same")},
		"with a SCEP entry behind":        {intuneEntry(t, "same"), scepEntry("same")},
		"with a type that nobody knows":   {intuneEntry(t, "same"), object{"type": "unheard-of", "name": "same"}},
		"with the second of three others": {scepEntry("x"), intuneEntry(t, "same"), scepEntry("y"), scepEntry("same")},
	} {
		t.Run(name, func(t *testing.T) {
			wantOneLine(t, startError(t, nil, entries...), `provisioner "same": name: another provisioner has the same name`)
		})
	}
}

func TestASettingOfTheAuthorityThatOpensADoorStopsTheStart(t *testing.T) {
	for name, test := range map[string]struct {
		value any
		path  []string
		want  string
	}{
		"no extension anywhere": {true, []string{"authority", "claims", "disableSmallstepExtensions"}, "authority.claims.disableSmallstepExtensions must not be set"},
	} {
		t.Run(name, func(t *testing.T) {
			edit := func() func(object) {
				return both(withDatabase(t), set("admin", "password"), set(test.value, test.path...))
			}
			wantOneLine(t, startError(t, edit(), intuneEntry(t, "intune")), `provisioner "intune"`, test.want)
			if err := startError(t, edit(), scepEntry("scep")); err != nil {
				t.Errorf("without an Intune entry: %v", err)
			}
		})
	}
}

func TestOnlySoftCASIsAccepted(t *testing.T) {
	file := writeCA(t, nil, intuneEntry(t, "intune"))
	entries, err := readEntries(file)
	if err != nil {
		t.Fatal(err)
	}
	conf := mustAuthority(t, writeCA(t, nil)).GetConfig()
	for _, typ := range []string{"stepcas", "vaultcas", "cloudcas", "externalcas"} {
		wantOneLine(t, suitable(conf, apiv1.Type(typ), entries), `provisioner "intune": authority.type is "`+typ+`"`, "softcas")
		if err := suitable(conf, apiv1.Type(typ), nil); err != nil {
			t.Errorf("%s without an Intune entry: %v", typ, err)
		}
	}
}

func TestAnEllipticIssuerNeedsADecrypter(t *testing.T) {
	elliptic := func(conf object) {
		dir := filepath.Dir(conf["crt"].(string))
		conf["crt"] = writeFile(t, filepath.Join(dir, "ec.crt"), certificatePEM(testECIssuer().certificate))
		conf["key"] = writeFile(t, filepath.Join(dir, "ec.key"), keyPEM(testECIssuer().key))
	}
	entry := intuneEntry(t, "intune")
	wantOneLine(t, startError(t, elliptic, entry), `provisioner "intune": decrypterCertificate: is missing`)
	entry["decrypterCertificate"] = certificatePEM(testDecrypter().certificate)
	whole := with(entry, keyPEM(testDecrypter().key), "decrypterKeyPEM")
	if err := startError(t, elliptic, whole); err != nil {
		t.Errorf("with a decrypter: %v", err)
	}
	wantOneLine(t, startError(t, nil, with(intuneEntry(t, "intune"), keyPEM(testDecrypter().key), "decrypterKeyPEM")), `provisioner "intune"`, "decrypter certificate")
}

func TestEveryKindOfCredentialIsAccepted(t *testing.T) {
	t.Setenv("INTUNE_TEST_SECRET", "s3cret")
	dir := t.TempDir()
	app := newIssuer("application", nil, rsaKey(), false)
	files := map[string]string{}
	for name, content := range map[string][]byte{"secret": []byte("s3cret"), "token": []byte("e30.e30.e30"), "crt": certificatePEM(app.certificate), "key": keyPEM(app.key)} {
		files[name] = writeFile(t, filepath.Join(dir, name), content)
	}
	for name, credential := range map[string]object{
		"secretFile":                           {"secretFile": files["secret"]},
		"secretEnv":                            {"secretEnv": "INTUNE_TEST_SECRET"},
		"certificate with a key of a KMS":      {"certificate": files["crt"], "key": "softkms:" + files["key"]},
		"federatedTokenFile":                   {"federatedTokenFile": files["token"]},
		"managedIdentity of the system":        {"managedIdentity": "system"},
		"managedIdentity by its own client id": {"managedIdentity": "11111111-2222-3333-4444-555555555555"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := startError(t, nil, with(intuneEntry(t, "intune"), credential, "intune", "credential")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnEntryHasIntunesDefaults(t *testing.T) {
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), newFakeClient())
	e := r.instance.entries["intune"]
	if e.scep.EncryptionAlgorithmIdentifier != aes256CBC || e.scep.MinimumPublicKeyLength != 2048 || e.timeout != 10*time.Second {
		t.Errorf("cipher %d, keys of %d bits, time-out %s", e.scep.EncryptionAlgorithmIdentifier, e.scep.MinimumPublicKeyLength, e.timeout)
	}
	if e.caID != testIssuer().certificate.Subject.String() || e.tenant != "contoso.onmicrosoft.com" {
		t.Errorf("CA %q, tenant %q", e.caID, e.tenant)
	}
	if len(e.scep.ChallengePassword) != 64 || !e.scep.Options.X509.HasTemplate() {
		t.Errorf("a challenge of %d characters", len(e.scep.ChallengePassword))
	}
	other := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), newFakeClient())
	if other.instance.entries["intune"].scep.ChallengePassword == e.scep.ChallengePassword {
		t.Error("the challenge is the same at each start")
	}
}

func TestTheOperatorsFieldsWinOverTheDefaults(t *testing.T) {
	entry := intuneEntry(t, "intune")
	for _, e := range []struct {
		value any
		path  []string
	}{
		{1, []string{"encryptionAlgorithmIdentifier"}}, {4096, []string{"minimumPublicKeyLength"}}, {true, []string{"includeRoot"}},
		{"1s", []string{"intune", "timeout"}}, {"CN=mine", []string{"intune", "caID"}}, {0, []string{"intune", "retries"}},
		{[]any{hook("mine", "ENRICHING")}, []string{"options", "webhooks"}},
	} {
		entry = with(entry, e.value, e.path...)
	}
	r := startPlugin(t, writeCA(t, nil, entry), newFakeClient())
	e := r.instance.entries["intune"]
	if e.scep.EncryptionAlgorithmIdentifier != 1 || e.scep.MinimumPublicKeyLength != 4096 || !e.scep.IncludeRoot ||
		e.timeout != time.Second || e.caID != "CN=mine" {
		t.Errorf("got %+v, time-out %s, CA %q", e.scep, e.timeout, e.caID)
	}
	var kinds []string
	for _, w := range e.scep.Options.Webhooks {
		kinds = append(kinds, w.Name+" "+w.Kind)
	}
	if got := strings.Join(kinds, ", "); got != "intune SCEPCHALLENGE, intune NOTIFYING, mine ENRICHING" {
		t.Errorf("hooks %s: ours come first", got)
	}
}

func TestZeroEncryptionAlgorithmIsTheOperatorsChoice(t *testing.T) {
	r := startPlugin(t, writeCA(t, nil, with(intuneEntry(t, "intune"), 0, "encryptionAlgorithmIdentifier")), newFakeClient())
	if id := r.instance.entries["intune"].scep.EncryptionAlgorithmIdentifier; id != 0 {
		t.Errorf("got %d", id)
	}
}

func TestAFileThatCannotBeReadStopsTheStart(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "{", "no list": `{"authority":{"provisioners":{}}}`, "no object": `{"authority":{"provisioners":[1]}}`,
		"a name that is a number": `{"authority":{"provisioners":[{"name":1}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "ca.json"), []byte(text))
			_, err := readEntries(file)
			wantOneLine(t, err)
		})
	}
	if _, err := readEntries("/nonexistent/ca.json"); err == nil {
		t.Error("a missing file is none")
	}
}

func TestAConfigErrorUnwraps(t *testing.T) {
	if err := error(&configError{Provisioner: "x", Err: intune.ErrRefused}); !errors.Is(err, intune.ErrRefused) || err.Error() != `provisioner "x": refused by Intune` {
		t.Errorf("got %q", err)
	}
}

func TestStepCAShowsAnIntuneEntryAsSCEP(t *testing.T) {
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), newFakeClient())
	p, err := r.authority.LoadProvisionerByName("intune")
	if err != nil || p.GetType() != provisioner.TypeSCEP || p.(*provisioner.SCEP).Type != "SCEP" {
		t.Errorf("got %v, %v", p, err)
	}
}
