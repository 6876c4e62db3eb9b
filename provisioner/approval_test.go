package provisioner

import (
	"context"
	"errors"
	"testing"

	"github.com/smallstep/certificates/authority/provisioner"

	"github.com/step-ca-intune/step-ca-intune/test/device"
)

func TestAnApprovalDoesNotServeAnotherProvisioner(t *testing.T) {
	client := newFakeClient()
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "a"), intuneEntry(t, "b"), scepEntry("scep")), client)
	approved := make(chan struct{})
	proceed := make(chan struct{})
	client.validate = func(context.Context, string) error { close(approved); <-proceed; return nil }
	c := connect(t, r.server, "a")
	request, m := prepare(t, c, device1("static"))
	done := make(chan *device.Result, 1)
	go func() { result, _ := c.Send(t.Context(), m); done <- result }()
	<-approved
	e := r.instance.enrolments.find(keyOf("a", request.DER))
	if e == nil {
		t.Fatal("no enrolment is open")
	}
	e.update(func(r *result) { r.approved = true })
	b := r.instance.entries["b"]
	csr := mustParse(t, request.DER)
	if _, err := b.createCertificate(nil, requestFor(csr)); !errors.Is(err, errNotApproved) {
		t.Errorf("through b: %v", err)
	}
	// And not another request through the same provisioner.
	other, _ := prepare(t, c, device1("static"))
	if _, err := r.instance.entries["a"].createCertificate(nil, requestFor(mustParse(t, other.DER))); !errors.Is(err, errNotApproved) {
		t.Errorf("another request through a: %v", err)
	}
	close(proceed)
	if result := <-done; result == nil || result.Certificate == nil {
		t.Error("a itself does not issue")
	}
}

func TestAnIntuneProvisionerSignsNothingByItself(t *testing.T) {
	client := newFakeClient()
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune"), scepEntry("scep")), client)
	request, _ := prepare(t, connect(t, r.server, "intune"), device1("x"))
	csr := mustParse(t, request.DER)
	p, err := r.authority.LoadProvisionerByName("intune")
	if err != nil {
		t.Fatal(err)
	}
	options, err := p.AuthorizeSign(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var plain []provisioner.SignOption
	for _, o := range options {
		if _, hooks := o.(*provisioner.WebhookController); !hooks {
			plain = append(plain, o)
		}
	}
	if _, err := r.authority.SignWithContext(t.Context(), csr, provisioner.SignOptions{}, plain...); !errors.Is(err, errNotApproved) {
		t.Errorf("got %v", err)
	}
}

func TestATemplateThatNamesAnIntuneProvisionerNeedsAnApproval(t *testing.T) {
	r := startPlugin(t, writeCA(t, nil, intuneEntry(t, "intune"), scepEntry("scep")), newFakeClient())
	cert := leafOf(t, provisioner.TypeSCEP, "intune")
	built, err := device1("x").Build()
	if err != nil {
		t.Fatal(err)
	}
	request := requestFor(mustParse(t, built.DER))
	request.Provisioner.Name = "scep"
	if e := r.instance.entryOf(request); e != nil {
		t.Errorf("without the extension it is taken for one of %s", e.name)
	}
	request.Template.ExtraExtensions = cert.Extensions
	if e := r.instance.entryOf(request); e == nil || e.name != "intune" {
		t.Errorf("it is taken for one of %v", e)
	}
}
