package main

import (
	"crypto"
	"fmt"
	"net/http"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// minChallenge is the least length of a challenge that counts as real.
const minChallenge = 2048

// subject of a device's certificates, as an Intune profile would set it.
func subject(name string) string { return "CN=" + name + ",OU=Devices,O=Contoso" }

// profile returns the challenge's properties for a device of which Intune
// checks everything. The names are bound as the device has to send them.
func profile(name string, sans []intunesim.SAN, extKeyUsage ...string) intunesim.Challenge {
	return intunesim.Challenge{
		Subject:     subject(name),
		SANs:        sans,
		KeyUsage:    []string{"digitalSignature", "keyEncipherment"},
		ExtKeyUsage: extKeyUsage,
		KeyLength:   2048,
		DeviceID:    name,
		UserID:      "alice",
	}
}

// platform builds a request of one platform.
type platform func(subject, challenge string, sans ...device.SAN) device.CSR

// request returns what makes a request of a platform with a fresh challenge.
func (d *demo) request(build platform, name string, sans []intunesim.SAN, change func(*intunesim.Challenge, *device.CSR), extKeyUsage ...string) func() (device.CSR, error) {
	return func() (device.CSR, error) {
		var names []device.SAN
		for _, san := range sans {
			switch san.Type {
			case "upn":
				names = append(names, device.UPN(san.Value))
			case "uri":
				names = append(names, device.URI(san.Value))
			case "email":
				names = append(names, device.Email(san.Value))
			}
		}
		properties := profile(name, sans, extKeyUsage...)
		csr := build(subject(name), "", names...)
		csr.Key = d.nextKey()
		if change != nil {
			change(&properties, &csr)
		}
		challenge, err := d.sim.NewChallenge(properties)
		if err != nil {
			return csr, err
		}
		if len(challenge) < minChallenge {
			return csr, fmt.Errorf("the challenge has only %d characters", len(challenge))
		}
		csr.Challenge = challenge
		return csr, nil
	}
}

// nextKey gives each request a key of its own, so a renewal a new one.
func (d *demo) nextKey() crypto.Signer {
	d.used++
	return device.Keys(d.used)[d.used-1]
}

// rows are the enrolments of the demo, in their order.
func (d *demo) rows() []row {
	upnAndSID := []intunesim.SAN{
		{Type: "upn", Value: "alice@contoso.example"},
		{Type: "uri", Value: "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1004336348-1177238915-682003330-1001"},
	}
	email := []intunesim.SAN{{Type: "email", Value: "alice@contoso.example"}}
	const clientAuth = "clientAuth"
	windows := func(name string, change func(*intunesim.Challenge, *device.CSR)) func() (device.CSR, error) {
		return d.request(device.Windows, name, upnAndSID, change, clientAuth)
	}
	issued := expectation{issued: true, code: "Success"}
	return []row{
		{device: "Windows", tried: "enrols", windows: true, want: issued, request: windows("windows-1", nil)},
		{device: "iPhone", tried: "enrols", want: issued, request: d.request(device.IPhone, "iphone-1", email, nil)},
		{device: "Android", tried: "enrols", want: issued, request: d.request(device.Android, "android-1", email, nil, clientAuth)},
		{device: "Windows", tried: "renews: new key, new challenge", windows: true, want: issued, request: windows("windows-1", nil)},
		{device: "Windows", tried: "forges its challenge", windows: true, want: expectation{code: "SignatureValidationFailed"},
			request: windows("windows-2", func(c *intunesim.Challenge, _ *device.CSR) { c.Flaw = intunesim.FlawSignature })},
		{device: "Windows", tried: "comes with an expired challenge", windows: true, want: expectation{code: "ChallengeExpired"},
			request: windows("windows-3", func(c *intunesim.Challenge, _ *device.CSR) { c.ExpiresIn = -time.Minute })},
		{device: "iPhone", tried: "changes its subject", want: expectation{code: "SubjectNameMismatch"},
			request: d.request(device.IPhone, "iphone-2", email, func(_ *intunesim.Challenge, r *device.CSR) { r.Subject = subject("administrator") })},
		{device: "Android", tried: "is no longer targeted", want: expectation{code: "ScepProfileNoLongerTargetedToTheClient"},
			request: d.request(device.Android, untargeted, email, nil, clientAuth)},
		{device: "Windows", tried: "enrols while Intune answers 500", windows: true, want: expectation{code: "HTTP 500"},
			fault:   &intunesim.Fault{Operation: intunesim.OpValidate, Status: http.StatusInternalServerError},
			request: windows("windows-4", nil)},
		{device: "Windows", tried: "enrols, but Intune refuses the report", windows: true, want: expectation{code: "BadDeviceIdInChallenge"},
			fault:   &intunesim.Fault{Operation: intunesim.OpSuccess, Code: "BadDeviceIdInChallenge"},
			request: windows("windows-5", nil)},
		{device: "iPhone", tried: "has no challenge at all", want: expectation{}, // Intune is not even asked
			request: func() (device.CSR, error) { return device.IPhone(subject("iphone-3"), ""), nil }},
	}
}

// untargeted is the device that the profile no longer targets.
const untargeted = "android-2"
