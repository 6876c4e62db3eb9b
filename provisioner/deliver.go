package provisioner

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

var (
	_ report.Sender  = (*instance)(nil)
	_ report.Orphans = (*instance)(nil)
)

// Send implements [report.Sender]: it sends one notification to Intune.
func (i *instance) Send(ctx context.Context, r report.Report) error {
	p := i.entries[r.Provisioner]
	if p == nil {
		return report.ErrUnknownProvisioner
	}
	release, err := p.limiter.notification(ctx)
	if err != nil {
		return err
	}
	defer release()
	receipt, err := p.send(ctx, r)
	// The delivery logs what becomes of the report; the activity id is known here alone.
	p.log.Debug("report sent", "kind", r.Kind, "transaction", clip(r.TransactionID), "activity", receipt.ActivityID, "hresult", r.HResult, "err", err)
	return err
}

func (p *entry) send(ctx context.Context, r report.Report) (intune.Receipt, error) {
	if r.Kind == report.KindFailure {
		return p.client.SendFailureNotification(ctx, r.TransactionID, r.CSR, r.HResult, r.Description)
	}
	cert, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return intune.Receipt{}, fmt.Errorf("reading the certificate of the report: %w", err)
	}
	return p.client.SendSuccessNotification(ctx, r.TransactionID, r.CSR, intune.Issued{
		Certificate:          cert,
		CAConfiguration:      r.CAID,
		CertificateAuthority: r.CAID,
	})
}

// TakeBack implements [report.Orphans]: a certificate whose answer never left is revoked.
func (i *instance) TakeBack(_ context.Context, o report.Orphan) (report.Failure, error) {
	cert, err := x509.ParseCertificate(o.Certificate)
	if err != nil {
		return report.Failure{}, fmt.Errorf("reading the certificate: %w", err)
	}
	if err := i.revoke(cert); err != nil {
		return report.Failure{}, err
	}
	i.log.Error("a certificate did not reach its device and has been revoked", "provisioner", o.Provisioner, "transaction", clip(o.TransactionID), "serial", serialOf(cert), "thumbprint", thumbprintOf(cert))
	return report.Failure{
		HResult:     intune.HResultUnexpected,
		Description: "The CA stopped before the device got its certificate. The certificate has been revoked.",
	}, nil
}

// parallel is how many reports may be under way at once.
func (i *instance) parallel() int {
	most := 1
	for _, p := range i.entries {
		most = max(most, cap(p.limiter.all))
	}
	return most
}
