package report

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/test/device"
)

func TestAReportIsShownWithoutItsChallenge(t *testing.T) {
	s := openStore(t, Memory())
	request, err := device.Windows("CN=device-1", "t0p-s3cret").Build()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 200)
	of := Request{Provisioner: "intune", TransactionID: long, CAID: "CN=CA", CSR: request.DER}
	for _, r := range []Report{
		{Kind: KindSuccess, Request: of, Certificate: certificate().Raw},
		{Kind: KindFailure, Request: of, Failure: Failure{HResult: intune.HResultTimeout, Description: "too slow"}},
	} {
		if err := s.add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Reports(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%d reports, %v", len(all), err)
	}
	var details []*Detail
	for _, one := range all {
		d, err := s.Report(t.Context(), one.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d.Summary != one || d.TransactionID != long || d.CAID != "CN=CA" || d.Subject != "CN=device-1" {
			t.Errorf("got %+v", d)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"t0p-s3cret", base64.StdEncoding.EncodeToString(request.DER)} {
			if strings.Contains(string(text), secret) {
				t.Errorf("it shows the challenge: %s", text)
			}
		}
		details = append(details, d)
	}
	if d := details[0]; len(d.Thumbprint) != 40 || !d.NotAfter.Equal(time.Unix(2e9, 0)) || d.Serial != "27DB" || d.HResult != "" {
		t.Errorf("the success is %+v", d)
	}
	if d := details[1]; d.HResult != intune.HResultTimeout.String() || d.Description != "too slow" || d.Thumbprint != "" {
		t.Errorf("the failure is %+v", d)
	}
}

func TestAReportThatIsNotThereIsNotShown(t *testing.T) {
	s := openStore(t, Memory())
	for _, id := range []string{"", "nonsense", strings.Repeat("x", 1000)} {
		if d, err := s.Report(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%.20q: %v, %v", id, d, err)
		}
	}
}

func TestAStoreAnswersWhileItsDatabaseDoes(t *testing.T) {
	db := Memory()
	s := openStore(t, db)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.commit(t.Context(), func(tx *transaction) { tx.del(tableRequests, "00") }); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("it answers although its tables are not whole")
	}
}
