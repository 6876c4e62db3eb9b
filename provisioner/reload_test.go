package provisioner

import (
	"testing"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/db"
)

func TestAReloadLeavesTheDatabaseOfTheRunningCAAsItIs(t *testing.T) {
	p, file := newPlugin(), writeCA(t, withDatabase(t), scepEntry("scep"))
	r, err := constructPlugin(t, p, file, newFakeClient())
	if err != nil {
		t.Fatal(err)
	}
	database := r.authority.GetDatabase().(*db.DB)
	before := database.DB // requests of the running CA read this field without a lock
	conf, err := config.LoadConfiguration(writeCA(t, nil, scepEntry("scep"), intuneEntry(t, "intune")))
	if err != nil {
		t.Fatal(err)
	}
	conf.DB = r.authority.GetConfig().DB
	original, _ := apiv1.LoadCertificateAuthorityServiceNewFunc(apiv1.SoftCAS)
	t.Cleanup(func() { apiv1.Register(apiv1.SoftCAS, original) })
	Register("test")
	if _, err := authority.New(conf, authority.WithDatabase(database), authority.WithQuietInit()); err != nil {
		t.Fatal(err)
	}
	if database.DB != before {
		t.Error("it is wrapped while the CA runs")
	}
}
