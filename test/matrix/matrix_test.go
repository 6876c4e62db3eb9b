package matrix

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// TestMicrosoftsTestMatrix runs every scenario of Microsoft's test matrix for
// requests of every shape, with micromdm's scepclient.
func TestMicrosoftsTestMatrix(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]func(map[string]any){
		"intune":    nil,
		"validity":  profile(map[string]any{"requestedValidity": true}),
		"half-year": defaultDuration(halfYear.String()),
		"ipsec":     profile(map[string]any{"extKeyUsage": []string{"ipsecTunnel"}}),
		"wrong-key": wrongKey,
	}, nil, nil)
	outcomes := &table{}
	for _, r := range rows {
		if r.fate == "" {
			r.fate = issued
		}
		t.Run(r.name, func(t *testing.T) {
			if r.fault.Operation != "" {
				if err := s.sim.AddFault(r.fault); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.sim.ClearFaults(); err != nil {
						t.Error(err)
					}
				})
			}
			for _, p := range platforms {
				if r.sha1 && p.validity == nil {
					outcomes.set(r.name, p.name, outcome{word: "not offered"})
					continue
				}
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					outcomes.set(r.name, p.name, s.run(t, r, p))
				})
			}
		})
	}
	if !t.Failed() {
		outcomes.compare(t)
	}
}

// run enrols one device and returns what became of it.
func (s *site) run(t *testing.T, r row, p platform) outcome {
	t.Helper()
	first := s.runOnce(t, r, p)
	if r.fate != issued {
		return outcome{word: "refused", detail: r.why}
	}
	c := s.inspect(t, first)
	for _, problem := range r.problems(c) {
		t.Error(problem)
	}
	if !r.renew {
		return outcome{word: "issued", detail: r.shown(c)}
	}
	second := s.runOnce(t, r, p)
	for _, problem := range r.problems(s.inspect(t, second)) {
		t.Error("renewed: " + problem)
	}
	s.checkRenewal(t, first, second)
	return outcome{word: "issued twice", detail: r.shown(c)}
}

func (s *site) runOnce(t *testing.T, r row, p platform) *x509.Certificate {
	t.Helper()
	request := p.request(t, s, r.profile)
	if r.sha1 {
		signWithSHA1(t, request)
	}
	return s.enrolForeign(t, r.provisioner(p), p.path, request, r.fate)
}

// checkRenewal looks for both certificates in Intune's console.
func (s *site) checkRenewal(t *testing.T, first, second *x509.Certificate) {
	t.Helper()
	if first.SerialNumber.Cmp(second.SerialNumber) == 0 || string(first.RawSubjectPublicKeyInfo) == string(second.RawSubjectPublicKeyInfo) {
		t.Error("the renewed certificate has the serial number or key of the first")
	}
	listed, err := s.sim.Certificates()
	if err != nil {
		t.Fatal(err)
	}
	var serials []string
	for _, line := range listed {
		if line.DeviceID == deviceID(t) && line.State == intunesim.StateIssued {
			serials = append(serials, line.SerialNumber)
		}
	}
	want := serial(first.SerialNumber) + " " + serial(second.SerialNumber)
	if got := strings.Join(serials, " "); got != want {
		t.Errorf("Intune lists %s, want %s", got, want)
	}
}
