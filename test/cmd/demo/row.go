package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smallstep/scep"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// row is one enrolment that is tried.
type row struct {
	device string
	tried  string

	// request builds the certificate request, asking Intune for its challenge.
	request func() (device.CSR, error)

	// windows sends it to …/pkiclient.exe.
	windows bool

	// fault, when set, is what goes wrong at Intune meanwhile.
	fault *intunesim.Fault

	want expectation
}

// expectation is how a row has to end.
type expectation struct {
	issued bool
	code   string // Intune's last one; empty where it gives none
}

// outcome is how a row ended.
type outcome struct {
	issued bool
	code   string
	serial string
}

// try enrols and checks everything that the enrolment must have caused, and
// nothing else. The error says what is unexpected.
func (d *demo) try(ctx context.Context, r row) (o outcome, err error) {
	csr, err := r.request()
	if err != nil {
		return o, err
	}
	request, err := csr.Build()
	if err != nil {
		return o, err
	}
	client := *d.client
	client.PKIClientExe = r.windows
	message, err := client.Prepare(request)
	if err != nil {
		return o, err
	}
	if r.fault != nil {
		if err := d.sim.AddFault(*r.fault); err != nil {
			return o, err
		}
		defer func() { err = errors.Join(err, d.sim.ClearFaults()) }()
	}
	result, err := client.Send(ctx, message)
	if err != nil {
		return o, err
	}
	o.issued = result.Certificate != nil
	if o.issued {
		o.serial = fmt.Sprintf("%X", result.Certificate.SerialNumber.Bytes())
	}
	calls, err := d.callsOf(message)
	if err != nil {
		return o, err
	}
	o.code = calls.lastCode()
	return o, d.check(r.want, o, request, message, result, calls)
}

func (d *demo) check(want expectation, o outcome, r *device.Request, m *device.Message, result *device.Result, calls calls) error {
	switch {
	case o.issued != want.issued:
		return fmt.Errorf("want issued=%t, got pkiStatus %q", want.issued, string(result.Status))
	case !o.issued && result.Status != scep.FAILURE:
		return fmt.Errorf("refused with pkiStatus %q, HTTP %d", string(result.Status), result.HTTPStatus)
	case o.code != want.code:
		return fmt.Errorf("want Intune's code %q", want.code)
	}
	listed, err := d.listed(m)
	if err != nil {
		return err
	}
	if !o.issued {
		if len(listed) > 0 {
			return fmt.Errorf("refused, but Intune lists %s as %s", listed[0].SerialNumber, listed[0].State)
		}
		return calls.none(intunesim.OpFailure)
	}
	if err := calls.reported(); err != nil {
		return err
	}
	if err := sameInIntune(listed, result.Certificate); err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(r.DER)
	if err != nil {
		return err
	}
	return d.inspect(csr, result.Certificate)
}
