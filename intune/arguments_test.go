package intune

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

func TestWrongArgumentsAreRefusedBeforeAnythingIsSent(t *testing.T) {
	csr, _ := recordedCSR(t)
	s := &stub{}
	client := newStubClient(t, s)
	validate := func(tx string, csr []byte) error {
		_, err := client.ValidateRequest(t.Context(), tx, csr)
		return err
	}
	fail := func(h HResult, description string) error {
		_, err := client.SendFailureNotification(t.Context(), "tx", csr, h, description)
		return err
	}
	download := func(n int) error {
		_, _, err := client.DownloadRevocationRequests(t.Context(), n, "")
		return err
	}
	upload := func(results ...RevocationResult) error {
		_, err := client.UploadRevocationResults(t.Context(), results)
		return err
	}
	for name, err := range map[string]error{
		"no transaction id":             validate("", csr),
		"a transaction id not UTF-8":    validate("\xff", csr),
		"a very long transaction id":    validate(strings.Repeat("x", 5000), csr),
		"no request":                    validate("tx", nil),
		"a request in PEM":              validate("tx", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
		"a request in base64":           validate("tx", []byte(base64.StdEncoding.EncodeToString(csr))),
		"a request with a byte more":    validate("tx", append(bytes.Clone(csr), 0)),
		"a request with a byte less":    validate("tx", csr[:len(csr)-1]),
		"a certificate":                 validate("tx", readCertificate(t, "sign-byte.pem").Raw),
		"a request that is far too big": validate("tx", make([]byte, maxCSR+1)),
		"hResult 0":                     fail(0, "text"),
		"a positive hResult":            fail(5, "text"),
		"no description":                fail(HResultFail, ""),
		"a blank description":           fail(HResultFail, " \n"),
		"a download of none":            download(0),
		"a download of 501":             download(501),
		"an upload of none":             upload(),
		"an upload of 501":              upload(make([]RevocationResult, 501)...),
		"a result without context":      upload(RevocationResult{Succeeded: true}),
		"success with a code":           upload(RevocationResult{Context: "c", Succeeded: true, Code: RevocationConflict}),
		"failure without a code":        upload(RevocationResult{Context: "c"}),
		"a code that does not exist":    upload(RevocationResult{Context: "c", Code: 4008}),
		"one wrong among good ones":     upload(RevocationResult{Context: "c", Succeeded: true}, RevocationResult{Context: "d"}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		for _, kind := range []error{ErrRefused, ErrUnavailable, ErrUnauthorized} {
			if errors.Is(err, kind) {
				t.Errorf("%s: %v is %v", name, err, kind)
			}
		}
	}
	if len(s.seen()) != 0 {
		t.Errorf("something was sent: %v", s.seen())
	}
}

func TestTransactionIDsAreFreeText(t *testing.T) {
	csr, _ := recordedCSR(t)
	client := newStubClient(t, &stub{})
	for _, id := range []string{"x", "a+b/c=", strings.Repeat("7", 77), "<&>\"\\", "ü 😀", "\x00"} {
		if _, err := client.ValidateRequest(t.Context(), id, csr); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestRevocationAnswersAreReadStrictly(t *testing.T) {
	for body, good := range map[string]bool{
		`{"value":[]}`: true,
		`{"value":[{"requestContext":"c","serialNumber":"1","issuerName":null,"caConfiguration":null}]}`: true,
		`{"value":null}`:                       false,
		`{}`:                                   false,
		`[]`:                                   false,
		``:                                     false,
		`{"value":[{"serialNumber":"1"}]}`:     false,
		`{"value":[{"requestContext":"c"}]}`:   false,
		`{"value":[],"Value":[]}`:              false,
		`{"value":[]} x`:                       false,
		`{"value":{"requestContext":"c"}}`:     false,
		`{"value":[{"requestContext":5}]}`:     false,
		`{"code":"Success","errorDescription"`: false,
	} {
		if _, err := parseRevocationRequests([]byte(body)); (err == nil) != good {
			t.Errorf("download %s: %v", body, err)
		}
	}
	for body, want := range map[string]error{
		`{"value":true}`: nil, `{"value":false}`: ErrRefused, `{"value":"true"}`: ErrUnavailable, `{"value":1}`: ErrUnavailable,
		`{}`: ErrUnavailable, `true`: ErrUnavailable, `{"value":true,"value":false}`: ErrUnavailable, `{"Value":true}`: ErrUnavailable,
	} {
		o := readUpload([]byte(body))
		if want == nil && o.err != nil || want != nil && (o.err == nil || o.err.Kind != want) {
			t.Errorf("upload %s: %v", body, o.err)
		}
	}
}
