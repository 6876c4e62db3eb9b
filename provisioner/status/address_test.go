package status_test

import (
	"strings"
	"testing"

	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

func TestOnlyAnAddressOfThisMachineNeedsNoPermission(t *testing.T) {
	for address, want := range map[string]string{
		"":                          "",
		"127.0.0.1:9190":            "",
		"127.8.9.10:9190":           "",
		"[::1]:9190":                "",
		"[::ffff:127.0.0.1]:9190":   "",
		"localhost:9190":            "",
		"LocalHost:9190":            "",
		"0.0.0.0:9190":              "statusAllowRemote",
		"[::]:9190":                 "statusAllowRemote",
		":9190":                     "statusAllowRemote",
		"10.0.0.5:9190":             "statusAllowRemote",
		"[::ffff:10.0.0.5]:9190":    "statusAllowRemote",
		"[fe80::1%eth0]:9190":       "statusAllowRemote",
		"ca.contoso.example:9190":   "statusAllowRemote",
		"localhost.example:9190":    "statusAllowRemote",
		"127.0.0.1.nip.io:9190":     "statusAllowRemote",
		"2130706433:9190":           "statusAllowRemote",
		"127.0.0.1":                 "is not an address",
		"9190":                      "is not an address",
		"http://127.0.0.1:9190":     "is not an address",
		"127.0.0.1:":                "no port",
		"127.0.0.1:0":               "no port",
		"127.0.0.1:70000":           "no port",
		"127.0.0.1:http":            "no port",
		"127.0.0.1:9190,[::1]:9190": "is not an address",
	} {
		err := status.CheckAddress(address, false)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", address, err, want)
		}
		if remote := status.CheckAddress(address, true); (remote == nil) != (want == "" || want == "statusAllowRemote") {
			t.Errorf("%q with permission: %v", address, remote)
		}
	}
}
