package provisioner

import (
	"testing"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
)

// Every webhook of the CA reaches the hooks of the plugin, and their addresses and ids are
// public: only the secret is not.
func TestAWebhookOfAnotherProvisionerCannotUseOurHooks(t *testing.T) {
	for name, steal := range map[string]func(own *provisioner.Webhook, challenge, notify provisioner.Webhook){
		"with the address":    func(own *provisioner.Webhook, c, _ provisioner.Webhook) { own.URL = c.URL },
		"with address and id": func(own *provisioner.Webhook, c, _ provisioner.Webhook) { own.URL, own.ID = c.URL, c.ID },
		"with another hook's secret": func(own *provisioner.Webhook, c, n provisioner.Webhook) {
			own.URL, own.ID, own.Secret = c.URL, c.ID, n.Secret
		},
		"even with the secret": func(own *provisioner.Webhook, c, _ provisioner.Webhook) {
			own.URL, own.ID, own.Secret = c.URL, c.ID, c.Secret
		},
		"with all of the notification": func(own *provisioner.Webhook, _, n provisioner.Webhook) {
			own.URL, own.ID, own.Secret = n.URL, n.ID, n.Secret
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := newFakeClient()
			thief := with(scepEntry("scep"), []any{hook("mine", "SCEPCHALLENGE")}, "options", "webhooks")
			r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune"), thief), client)
			p, err := r.authority.LoadProvisionerByName("scep")
			if err != nil {
				t.Fatal(err)
			}
			ours := r.instance.entries["intune"].scep.Options.Webhooks
			steal(p.(*provisioner.SCEP).Options.Webhooks[0], *ours[0], *ours[1])
			_, m := prepare(t, connect(t, r.server, "scep"), device1("static"))
			answer, err := connect(t, r.server, "scep").Send(t.Context(), m)
			if err == nil && answer.Certificate != nil { // an answer that is cut off is as good
				t.Error(show(answer))
			}
			if asked, succeeded := client.counts(); asked+succeeded != 0 {
				t.Error("Intune hears of it")
			}
			r.wantNothingLeft(t)
		})
	}
}

func TestProvisionersOfOtherKindsWorkBesideOurs(t *testing.T) {
	client := newFakeClient()
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune"), scepEntry("scep"), object{"type": "ACME", "name": "acme"}), client)
	if answer := enrol(t, connect(t, r.server, "scep"), device1("static")); answer.Certificate == nil {
		t.Error(show(answer))
	}
	if answer := enrol(t, connect(t, r.server, "scep"), device1("wrong")); answer.Certificate != nil {
		t.Error("a wrong static challenge is accepted")
	}
	if asked, succeeded := client.counts(); asked+succeeded != 0 {
		t.Error("Intune hears of it")
	}
}

func TestEachEntryAsksItsOwnTenantOnly(t *testing.T) {
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "a"), intuneEntry(t, "b")), newFakeClient())
	a, b := newFakeClient(), newFakeClient()
	r.instance.entries["a"].client, r.instance.entries["b"].client = a, b
	if answer := enrol(t, connect(t, r.server, "a"), device1("x")); answer.Certificate == nil {
		t.Error(show(answer))
	}
	asked, succeeded := a.counts()
	others, reported := b.counts()
	if asked != 1 || succeeded != 1 || others+reported != 0 {
		t.Errorf("a is asked %d and told %d times, b %d and %d times", asked, succeeded, others, reported)
	}
}

func TestLosingTheHookClosesTheEntrance(t *testing.T) {
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune")), newFakeClient())
	e := r.instance.entries["intune"]
	lost := &provisioner.SCEP{Type: e.scep.Type, Name: e.scep.Name, ChallengePassword: e.scep.ChallengePassword, Options: new(provisioner.Options)}
	if err := lost.Init(provisioner.Config{Claims: config.GlobalProvisionerClaims}); err != nil {
		t.Fatal(err)
	}
	for _, guess := range []string{"", "x", "intune"} {
		if _, err := lost.ValidateChallenge(t.Context(), mustParse(t, pkcs10(t)), guess, "tx"); err == nil {
			t.Errorf("%q opens it", guess)
		}
	}
}
