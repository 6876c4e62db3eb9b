package provisioner

import (
	"path/filepath"
	"testing"
)

func TestAnErrorNamesTheKeyThatDecodesItself(t *testing.T) {
	wantOneLine(t, startError(t, nil, with(intuneEntry(t, "intune"), []any{}, "intune")), `provisioner "intune": intune: an array`)
	wantOneLine(t, startError(t, nil, with(intuneEntry(t, "intune"), "soon", "claims", "defaultTLSCertDuration")), `claims`)
}

func TestAPEMFileIsAKey(t *testing.T) {
	app := newIssuer("application", nil, rsaKey(), false)
	crt := writeFile(t, filepath.Join(t.TempDir(), "crt"), certificatePEM(app.certificate))
	key := writeFile(t, filepath.Join(t.TempDir(), "key"), keyPEM(app.key))
	if err := startError(t, nil, with(intuneEntry(t, "intune"), object{"certificate": crt, "key": key}, "intune", "credential")); err != nil {
		t.Error(err)
	}
}

func TestADecrypterWithoutKeyStopsTheStart(t *testing.T) {
	elliptic := func(conf object) {
		dir := filepath.Dir(conf["crt"].(string))
		conf["crt"] = writeFile(t, filepath.Join(dir, "ec.crt"), certificatePEM(testECIssuer().certificate))
		conf["key"] = writeFile(t, filepath.Join(dir, "ec.key"), keyPEM(testECIssuer().key))
	}
	entry := with(intuneEntry(t, "intune"), certificatePEM(testDecrypter().certificate), "decrypterCertificate")
	wantOneLine(t, startError(t, elliptic, entry), `provisioner "intune"`, "decrypterKey")
}
