package crash

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // Intune's thumbprints are SHA-1
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

func newCertificate(t *testing.T, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "device"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func line(c *x509.Certificate, state intunesim.State) intunesim.Certificate {
	return intunesim.Certificate{
		TransactionID: "t", SerialNumber: serialOf(c), Thumbprint: fmt.Sprintf("%X", sha1.Sum(c.Raw)), State: state,
	}
}

func TestWhatMustNotBeIsFound(t *testing.T) {
	held, lost := newCertificate(t, 0x11), newCertificate(t, 0x22)
	failed := Outcome{Outcome: "failed", Transaction: "t", Serial: "22", Err: "storing"}
	told := intunesim.Request{Operation: intunesim.OpFailure, Body: `{"transactionId":"t"}`, Answer: `{"code":"Success"}`}
	revoked := func(b *Books) { b.Stored["22"], b.Revoked["22"] = lost, true }
	for name, c := range map[string]struct {
		change func(b *Books)
		want   string // part of the complaint, empty for none
	}{
		"all is well":                            {func(*Books) {}, ""},
		"held but not listed":                    {func(b *Books) { b.Lines = nil }, "Intune lists nothing"},
		"held and listed twice":                  {func(b *Books) { b.Lines = append(b.Lines, b.Lines[0]) }, "Intune lists"},
		"held, listed as failed":                 {func(b *Books) { b.Lines[0].State = intunesim.StateFailed }, "as failed"},
		"held, listed under another transaction": {func(b *Books) { b.Lines[0].TransactionID = "u" }, "Intune lists"},
		"held and revoked":                       {func(b *Books) { b.Revoked["11"] = true }, "revoked true"},
		"held and not stored":                    {func(b *Books) { delete(b.Stored, "11") }, "stored by step-ca false"},
		"listed and with nobody":                 {func(b *Books) { b.Lines = append(b.Lines, line(lost, intunesim.StateIssued)) }, "nobody holds it"},
		"listed, with nobody, and withheld": {func(b *Books) {
			b.Lines = append(b.Lines, line(lost, intunesim.StateIssued))
			b.Outcomes = []Outcome{{Outcome: "unreported", Serial: "22"}}
		}, ""},
		"stored and with nobody":  {func(b *Books) { b.Stored["22"] = lost }, "it is not revoked"},
		"revoked and with nobody": {revoked, ""},
		"revoked and listed": {func(b *Books) {
			revoked(b)
			b.Lines = append(b.Lines, line(lost, intunesim.StateIssued))
		}, "is revoked, and Intune lists it"},
		"revoked and listed as failed": {func(b *Books) {
			revoked(b)
			b.Lines = append(b.Lines, line(lost, intunesim.StateFailed))
		}, ""},
		"failed and not reported":     {func(b *Books) { b.Outcomes = []Outcome{failed} }, "failed 1 times, 0 reported"},
		"failed and reported":         {func(b *Books) { b.Outcomes, b.Calls = []Outcome{failed}, []intunesim.Request{told} }, ""},
		"failed twice, reported once": {func(b *Books) { b.Outcomes, b.Calls = []Outcome{failed, failed}, []intunesim.Request{told} }, "failed 2 times, 1 reported"},
		"failed, and the answer was lost": {func(b *Books) {
			b.Outcomes, b.Calls = []Outcome{failed}, []intunesim.Request{{Operation: intunesim.OpFailure, Body: "t"}}
		}, "0 reported"},
		"failed, with a dead report": {func(b *Books) {
			b.Outcomes, b.Reports = []Outcome{failed}, []report.Summary{{Dead: true, Transaction: "t"}}
		}, ""},
		"failed, and no database to note it": {func(b *Books) {
			b.Outcomes, b.Unwritten = []Outcome{failed}, map[string]int{"t": 1}
		}, ""},
		"failed, and a copy got the certificate": {func(b *Books) {
			b.Outcomes, b.Superseded = []Outcome{failed}, map[string]int{"t": 1}
		}, ""},
		"failed, and no copy got a certificate": {func(b *Books) {
			other := failed
			other.Transaction = "u"
			b.Outcomes, b.Superseded = []Outcome{other}, map[string]int{"u": 1}
		}, "failed 1 times"},
		"failed without a certificate": {func(b *Books) {
			b.Outcomes = []Outcome{{Outcome: "failed", Transaction: "t", Err: "the policy forbids"}}
		}, "failed 1 times"},
		"a report is pending": {func(b *Books) { b.Reports = []report.Summary{{Transaction: "t"}} }, "still pending"},
		"a row is left":       {func(b *Books) { b.Leftover = []string{"intune_journal x"} }, "left in the database"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRound(0)
			r.devices = []*Device{{Name: "device", Certificate: held, Message: &device.Message{TransactionID: "t"}}}
			b := &Books{
				Lines: []intunesim.Certificate{line(held, intunesim.StateIssued)}, Stored: map[string]*x509.Certificate{"11": held},
				Revoked: map[string]bool{}, Unwritten: map[string]int{}, Superseded: map[string]int{},
			}
			c.change(b)
			r.compare(b)
			got := fmt.Sprint(r.wrong)
			if c.want == "" && len(r.wrong) > 0 || !strings.Contains(got, c.want) {
				t.Errorf("want a complaint with %q, got %s", c.want, got)
			}
		})
	}
}

func TestOutcomesAreReadFromTheLog(t *testing.T) {
	log := `{"level":"INFO","msg":"enrolment","outcome":"issued","transaction":"a","serial":"11"}
2026/11/22 19:29:12 Serving HTTPS
{"level":"ERROR","msg":"enrolment","outcome":"failed","transaction":"b","code":"","err":"no answer"}
{"level":"INFO","msg":"enrolm`
	got := lines(log, "enrolment")
	if len(got) != 2 || got[0].Serial != "11" || got[1].Code == nil || got[1].mustBeReported() {
		t.Errorf("got %+v", got)
	}
}
