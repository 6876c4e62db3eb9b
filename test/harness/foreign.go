package harness

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Foreign runs micromdm's scepclient, which nobody here wrote, in dir. It makes
// a key of its own and asks the server at url for a certificate. The output is
// worth reading when the certificate is nil. At a CA with a decrypter it needs
// the flag -key-encipherment-selector: it encrypts for all certificates otherwise.
func Foreign(ctx context.Context, binary, dir, url string, flags ...string) (certificate *x509.Certificate, output string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("running scepclient: %w", err)
	}
	file := filepath.Join(dir, "client.pem")
	args := append([]string{
		"-server-url", url,
		"-private-key", filepath.Join(dir, "client.key"),
		"-certificate", file,
	}, flags...)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil, string(text), fmt.Errorf("running scepclient: %w", err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, string(text), fmt.Errorf("running scepclient: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, string(text), fmt.Errorf("running scepclient: no PEM in %s", file)
	}
	certificate, err = x509.ParseCertificate(block.Bytes)
	return certificate, string(text), err
}
