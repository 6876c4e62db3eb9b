package provisioner

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/linkedca"
	"github.com/smallstep/nosql"
)

func withAdmin(t testing.TB) func(object) {
	return both(withDatabase(t), set("secret", "password"), set(true, "authority", "enableAdmin"))
}

// startRemote serves a CA with remote management, an Intune entry of every field and an
// ACME provisioner.
func startRemote(t *testing.T, edits ...func(object)) *running {
	t.Helper()
	elliptic := func(conf object) {
		dir := t.TempDir()
		conf["crt"] = writeFile(t, dir+"/ec.crt", certificatePEM(testECIssuer().certificate))
		conf["key"] = writeFile(t, dir+"/ec.key", keyPEM(testECIssuer().key))
	}
	entry := intuneEntry(t, "intune")
	for k, v := range (object{
		"decrypterCertificate": certificatePEM(testDecrypter().certificate), "decrypterKeyPEM": keyPEM(testDecrypter().key),
		"capabilities": []any{"Renewal", "AES"}, "includeRoot": true, "excludeIntermediate": true, "minimumPublicKeyLength": 3072,
		"encryptionAlgorithmIdentifier": 4,
		"claims":                        object{"minTLSCertDuration": "1h", "maxTLSCertDuration": "9000h", "defaultTLSCertDuration": "8000h", "disableRenewal": true},
		"options": object{"x509": object{"template": "{}", "templateData": object{"a": 1}},
			"webhooks": []any{object{"name": "own", "kind": "ENRICHING", "url": "https://127.0.0.1/", "certType": "X509"}}},
	}) {
		entry[k] = v
	}
	acme := object{"type": "ACME", "name": "other"}
	return startPlugin(t, writeCA(t, both(append([]func(object){withAdmin(t), elliptic}, edits...)...), entry, acme), newFakeClient())
}

func (r *running) served(t *testing.T) *provisioner.SCEP {
	t.Helper()
	p, err := r.authority.LoadProvisionerByName("intune")
	if err != nil {
		t.Fatal(err)
	}
	return p.(*provisioner.SCEP)
}

// other returns the ACME provisioner as administrators see it.
func (r *running) other(t *testing.T) *linkedca.Provisioner {
	t.Helper()
	p, err := r.authority.LoadProvisionerByName("other")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := r.authority.GetAdminDatabase().GetProvisioner(t.Context(), p.GetID())
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestRemoteManagementServesAnEntryAsItIsWritten(t *testing.T) {
	r := startRemote(t)
	fields := func(p *provisioner.SCEP) object {
		var all object
		if err := json.Unmarshal(toJSON(t, p), &all); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"challenge", "decrypterKeyPEM"} {
			delete(all, secret)
		}
		delete(all["options"].(object), "ssh") // empty
		for _, hook := range all["options"].(object)["webhooks"].([]any) {
			if hook.(object)["certType"] == "" {
				hook.(object)["certType"] = "ALL" // the same to step-ca
			}
		}
		claims := all["claims"].(object)
		maps.DeleteFunc(claims, func(_ string, v any) bool { return v == false }) // the default
		return all
	}
	written, served := toJSON(t, fields(r.instance.entries["intune"].scep)), toJSON(t, fields(r.served(t)))
	if !bytes.Equal(written, served) {
		t.Errorf("written %s\nserved  %s", written, served)
	}
	for i, w := range r.instance.entries["intune"].scep.Options.Webhooks {
		if got := r.served(t).Options.Webhooks[i]; got.Secret != w.Secret || w.Name == webhookName && got.Secret == "" {
			t.Errorf("the secret of webhook %q is another", w.Name)
		}
	}
}

// secretsOf returns what no administrator and no database may get.
func (r *running) secretsOf(t *testing.T) []string {
	t.Helper()
	own, served := r.instance.entries["intune"].scep, r.served(t)
	secrets := []string{own.ChallengePassword, served.ChallengePassword, string(own.DecrypterKeyPEM), base64.StdEncoding.EncodeToString(own.DecrypterKeyPEM)}
	for _, w := range own.Options.Webhooks {
		if w.Secret != "" {
			secrets = append(secrets, w.Secret)
		}
	}
	if slices.Contains(secrets, "") || len(secrets) != 6 {
		t.Fatalf("%d secrets", len(secrets))
	}
	return secrets
}

func TestNothingOfAnEntryIsShownToAdministratorsOrStored(t *testing.T) {
	r := startRemote(t)
	r.other(t) // it was copied
	list, _, err := r.authority.GetProvisioners("", 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"the list": toJSON(t, list)}
	database := r.authority.GetDatabase().(nosql.DB)
	for _, table := range []string{"provisioners", "admins", "authority_policies"} {
		rows, err := database.List([]byte(table))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			all[table+"/"+string(row.Key)] = row.Value
		}
	}
	if len(all) < 4 {
		t.Fatalf("found %d things only", len(all))
	}
	for where, text := range all {
		for i, secret := range r.secretsOf(t) {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds secret %d: %s", where, i, text)
			}
		}
		if where != "the list" && bytes.Contains(text, []byte("intune")) {
			t.Errorf("%s is stored: %s", where, text)
		}
	}
}

// Without its webhook the provisioner is closed, whatever was shown of its challenge.
func TestTheChallengeThatIsShownOpensNothing(t *testing.T) {
	r := startRemote(t)
	served := r.served(t)
	var shown struct{ Challenge string }
	if err := json.Unmarshal(toJSON(t, served), &shown); err != nil {
		t.Fatal(err)
	}
	lost := &provisioner.SCEP{Type: served.Type, Name: served.Name, ChallengePassword: served.ChallengePassword, Options: new(provisioner.Options)}
	if err := lost.Init(provisioner.Config{Claims: config.GlobalProvisionerClaims}); err != nil {
		t.Fatal(err)
	}
	if _, err := lost.ValidateChallenge(t.Context(), nil, served.ChallengePassword, ""); err != nil {
		t.Fatalf("the test tests nothing: %v", err)
	}
	for _, challenge := range []string{"", shown.Challenge, r.instance.entries["intune"].scep.ChallengePassword} {
		if _, err := lost.ValidateChallenge(t.Context(), nil, challenge, ""); err == nil {
			t.Errorf("%q opens it", challenge)
		}
	}
}

// step-ca reads all provisioners again after a change that failed, and would wait for its
// own lock for ever.
func TestAChangeThatFailsLeavesTheCAServing(t *testing.T) {
	r := startRemote(t)
	ctx := context.Background()
	for name, test := range map[string]struct {
		change func() error
		want   string
	}{
		"of a provisioner's type": {func() error {
			p := r.other(t)
			p.Type, p.Details = linkedca.Provisioner_SSHPOP, &linkedca.ProvisionerDetails{Data: &linkedca.ProvisionerDetails_SSHPOP{SSHPOP: new(linkedca.SSHPOPProvisioner)}}
			return r.authority.UpdateProvisioner(ctx, p)
		}, "cannot update provisioner type"},
		"of an administrator that another replica has removed": {func() error {
			p := r.other(t)
			loaded, _ := r.authority.LoadProvisionerByName("other")
			a := &linkedca.Admin{Subject: "x", ProvisionerId: p.Id, Type: linkedca.Admin_ADMIN}
			if err := r.authority.StoreAdmin(ctx, a, loaded); err != nil {
				t.Fatal(err)
			}
			if err := r.instance.names.remote.DB.DeleteAdmin(ctx, a.Id); err != nil {
				t.Fatal(err)
			}
			return r.authority.RemoveAdmin(ctx, a.Id)
		}, "is deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() { done <- test.change() }()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("step-ca waits for its own lock")
			}
			r.served(t)
			if len(r.log.lines("a change by remote management failed")) == 0 {
				t.Error("nothing is logged")
			}
		})
	}
	// It is put back as soon as step-ca gives up its lock.
	eventually(t, func() bool {
		p, err := r.authority.LoadProvisionerByName("other")
		return err == nil && p.GetType() == provisioner.TypeACME
	})
}

func TestAnEntryCannotBeRemovedByAnyOfItsIDs(t *testing.T) {
	r := startRemote(t)
	for _, id := range []string{"scep/intune", servedID("intune"), r.served(t).GetID()} {
		_ = r.authority.RemoveProvisioner(context.Background(), id)
		if err := r.authority.GetAdminDatabase().DeleteProvisioner(context.Background(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		r.served(t)
		if p, err := r.authority.LoadProvisionerByID("scep/intune"); err != nil || p.GetName() != "intune" {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestAPolicyOfTheFileThatDoesNotApplyIsWarnedOf(t *testing.T) {
	const warning = "authority.policy of ca.json is not applied"
	policy := set(object{"x509": object{"deny": object{"dns": []string{"denied.example"}}}}, "authority", "policy")
	if r := startRemote(t, policy); len(r.log.lines(warning)) != 1 {
		t.Error("nothing is said")
	}
	if r := startRemote(t); len(r.log.lines(warning)) != 0 {
		t.Error("there is none to warn of")
	}
	both := both(withDatabase(t), policy)
	if r := startPlugin(t, writeCA(t, both, intuneEntry(t, "intune")), newFakeClient()); len(r.log.lines(warning)) != 0 {
		t.Error("it is applied without remote management")
	}
}
