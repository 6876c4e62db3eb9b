package outage

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/crash"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// The same request gets one certificate, whichever replica it comes to and whatever its
// transaction id is.
func TestRepeatsAcrossReplicasGetOneCertificate(t *testing.T) {
	t.Parallel()
	for name, queued := range map[string]bool{"strict": false, "queued": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, postgreSQL, crash.Options{Queued: queued, Replicas: 2})
			devices := newDevices(t, s, 10, "repeat")
			// Long enough for the copies to meet.
			fault(t, s, intunesim.Fault{Operation: intunesim.OpValidate, Delay: 200 * time.Millisecond, Probability: 0.5})
			copies := map[*crash.Device][]*crash.Device{}
			var wg sync.WaitGroup
			for _, d := range devices {
				for i := range 4 {
					again, err := d.Again()
					if err != nil {
						t.Fatal(err)
					}
					copies[d] = append(copies[d], again)
					wg.Go(func() { askOnce(t, again, s.Replicas[i%2]) })
				}
			}
			wg.Wait()
			for _, d := range devices {
				late, err := d.Again()
				if err != nil {
					t.Fatal(err)
				}
				copies[d] = append(copies[d], late)
			}
			s.Replicas[0].Kill() // what it remembered is gone
			for _, d := range devices {
				askOnce(t, copies[d][4], s.Replicas[1])
			}
			if err := s.Replicas[0].Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, time.Minute, "the last report", func() bool { return issued(s) == len(devices) })
			books := stop(t, s)
			for _, d := range devices {
				checkOneCertificate(t, books, d.Name, copies[d])
			}
			if len(books.Lines) != len(devices) {
				t.Errorf("Intune lists %d certificates for %d devices", len(books.Lines), len(devices))
			}
		})
	}
}

func askOnce(t *testing.T, d *crash.Device, r *crash.Replica) {
	if c, err := d.Ask(t.Context(), r); c == nil {
		t.Errorf("%s got no certificate: %s, %v", d.Name, d.Last, err)
	}
}

func checkOneCertificate(t *testing.T, b *crash.Books, name string, copies []*crash.Device) {
	t.Helper()
	first := copies[0].Certificate
	reported := 0
	for _, d := range copies {
		if d.Certificate == nil || !d.Certificate.Equal(first) {
			t.Errorf("%s did not get the same certificate each time", name)
			return
		}
		reported += b.Delivered(intunesim.OpSuccess, d.Message.TransactionID)
	}
	if reported != 1 {
		t.Errorf("%s was reported %d times", name, reported)
	}
	checkListedOnce(t, b.Lines, copies[:1])
	signed := 0
	for _, c := range b.Stored {
		if c.Subject.CommonName == name {
			signed++
		}
	}
	if signed != 1 {
		t.Errorf("for %s %d certificates were signed", name, signed)
	}
	var firstID string
	for _, o := range b.Outcomes {
		for _, d := range copies {
			if o.Transaction == d.Message.TransactionID && o.Outcome == "issued" && !o.Repeated {
				firstID = o.Transaction
			}
		}
	}
	if lines := b.Listed(first); len(lines) == 1 && lines[0].TransactionID != firstID {
		t.Errorf("%s was issued under %s and reported under %s", name, firstID, lines[0].TransactionID)
	}
}

// Whoever repeats a request whose certificate was revoked gets a new one, from each
// replica.
func TestARevokedCertificateIsNotHandedOutAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, postgreSQL, crash.Options{Replicas: 2})
	devices := newDevices(t, s, 2, "revoked")
	for i, d := range devices {
		askOnce(t, d, s.Replicas[0])
		if t.Failed() {
			return
		}
		revoke(t, s.Replicas[0], d)
		again, err := d.Again()
		if err != nil {
			t.Fatal(err)
		}
		askOnce(t, again, s.Replicas[i])
		if again.Certificate == nil || again.Certificate.Equal(d.Certificate) {
			t.Errorf("replica %d handed a revoked certificate out", i)
			continue
		}
		third, err := d.Again()
		if err != nil {
			t.Fatal(err)
		}
		askOnce(t, third, s.Replicas[1-i])
		if third.Certificate == nil || !third.Certificate.Equal(again.Certificate) {
			t.Errorf("replica %d did not hand out the new certificate", 1-i)
		}
	}
}

// revoke is what the holder of a certificate may ask step-ca for.
func revoke(t *testing.T, r *crash.Replica, d *crash.Device) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"serial": d.Certificate.SerialNumber.String(), "reasonCode": 1, "passive": true})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: r.Authority().Roots(), Certificates: []tls.Certificate{{
			Certificate: [][]byte{d.Certificate.Raw, r.Authority().Intermediate.Raw}, PrivateKey: d.Request.Key,
		}}},
	}}
	answer, err := client.Post(r.URL("/1.0/revoke"), "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("revoking: %s", answer.Status)
	}
}
