package intune_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func TestAnEnrolmentAgainstTheSimulator(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	client := newClient(t, simConfig(sim))
	csr := newRequest(t, sim)

	receipt, err := client.ValidateRequest(t.Context(), "tx-1", csr)
	if err != nil || receipt.Attempts != 1 || receipt.ActivityID == "" {
		t.Fatalf("validation: %+v, %v", receipt, err)
	}
	cert := issue(t, csr)
	if _, err := client.SendSuccessNotification(t.Context(), "tx-1", csr, intune.Issued{
		Certificate: cert, CAConfiguration: "ca-1", CertificateAuthority: "ca-1",
	}); err != nil {
		t.Fatal(err)
	}
	list := sim.Certificates()
	if len(list) != 1 || list[0].SerialNumber != fmt.Sprintf("%X", cert.SerialNumber.Bytes()) ||
		list[0].State != "issued" || list[0].Issuer != "CN=Contoso CA" || list[0].DeviceID != "device-1" {
		t.Fatalf("Intune lists %+v", list)
	}

	if _, err := sim.Revoke(intunesim.Revocation{SerialNumber: list[0].SerialNumber, IssuerName: "CN=Contoso CA", CAConfiguration: "ca-1"}); err != nil {
		t.Fatal(err)
	}
	requests, _, err := client.DownloadRevocationRequests(t.Context(), 500, "")
	if err != nil || len(requests) != 1 || requests[0].SerialNumber != list[0].SerialNumber || requests[0].CAConfiguration != "ca-1" {
		t.Fatalf("revocation requests %+v, %v", requests, err)
	}
	if _, err := client.UploadRevocationResults(t.Context(), []intune.RevocationResult{{Context: requests[0].Context, Succeeded: true}}); err != nil {
		t.Fatal(err)
	}
	if list := sim.Certificates(); list[0].State != "revoked" {
		t.Errorf("Intune lists %+v", list)
	}
}

func TestAFailureReachesTheConsole(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	client := newClient(t, simConfig(sim))
	csr := newRequest(t, sim)
	if _, err := client.ValidateRequest(t.Context(), "tx-1", csr); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendFailureNotification(t.Context(), "tx-1", csr, intune.HResultPolicyDenied, "the policy denies the name"); err != nil {
		t.Fatal(err)
	}
	if list := sim.Certificates(); len(list) != 1 || list[0].State != "failed" {
		t.Errorf("Intune lists %+v", list)
	}
}

func TestRefusalsCarryCodeAndIDs(t *testing.T) {
	sim := startSim(t, intunesim.Options{})
	client := newClient(t, simConfig(sim))
	challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-1", ExpiresIn: -1})
	if err != nil {
		t.Fatal(err)
	}
	for want, csr := range map[intune.Code][]byte{
		intune.CodeChallengePasswordMissing: requestWith(t, "CN=device-1", ""),
		intune.CodeChallengeExpired:         requestWith(t, "CN=device-1", challenge),
		intune.CodeSubjectNameMismatch:      otherSubject(t, sim),
		intune.CodeChallengeDecodingError:   requestWith(t, "CN=device-1", "no challenge"),
	} {
		receipt, err := client.ValidateRequest(t.Context(), "tx-1", csr)
		var refusal *intune.ServiceError
		if !errors.Is(err, intune.ErrRefused) || !errors.As(err, &refusal) || refusal.Code != want ||
			refusal.ActivityID != receipt.ActivityID || refusal.TransactionID != "tx-1" || refusal.StatusCode != 200 {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func otherSubject(t *testing.T, sim *intunesim.Server) []byte {
	challenge, err := sim.NewChallenge(intunesim.Challenge{Subject: "CN=device-1"})
	if err != nil {
		t.Fatal(err)
	}
	return requestWith(t, "CN=device-2", challenge)
}
