package provisioner

import "strings"

// makeDecrypter is the way to a decrypter certificate.
const makeDecrypter = `Let the issuing CA issue one: step certificate create "SCEP RA" ra.crt ra.key --profile leaf --kty RSA --size 3072 --not-after 43800h --ca CRT --ca-key KEY; then set decrypterCertificate and decrypterKey.`

// advices say what to do about a mistake: the first whose key is the mistake's or stands
// above it, and whose words are in its text.
var advices = []struct{ key, words, advice string }{
	{"", "unknown key", "Remove it or correct its spelling; configuration.md in the documentation lists all keys."},
	{"", "there twice", "Remove one of the two."},
	{"", "authority.type", "Take authority.type out of ca.json."},
	{"", "linked CA", "Run devices' certificates on a CA that is not linked; without a link take authorityId and deploymentType out of ca.json."},
	{"", "enableAdmin", "Add db to ca.json."},
	{"", "disableSmallstepExtensions", "Remove disableSmallstepExtensions."},
	{"", "intune.statusAddress", "Set intune.statusAddress to 127.0.0.1:9190; statusAllowRemote is for a monitoring system on another machine."},
	{"name", "had this name", "Give the provisioner another name, or bring the Intune entry back."},
	{"name", "the database already holds", "Start step-ca itself with this ca.json and remove that one with step ca provisioner remove, or give the entry another name."},
	{"name", "same name", "Give each provisioner a name of its own."},
	{"name", "", "Give it a name; it becomes part of the SCEP URL."},
	{"type", "", `Write "type": "Intune", or remove the intune block.`},
	{"challenge", "", "Remove challenge; Intune makes the challenges."},
	{"decrypterCertificate", "is missing", makeDecrypter},
	{"decrypterKey", "", "Set decrypterKey to the key's file or KMS URI."},
	{"intune.tenant", "", "Set it to the directory's name, such as contoso.onmicrosoft.com, or its id."},
	{"intune.clientID", "", "Set it to the application (client) id that Entra ID shows in the app registration."},
	{"intune.credential.secretFile", "permission denied", "Let the user that runs step-ca read the file: make that user its owner, with mode 0600."},
	{"intune.credential.secretFile", "", "Write the client secret's value, as Entra ID showed it once, into the file, with mode 0600."},
	{"intune.credential.secretEnv", "", "Set the variable where step-ca is started, and for this check."},
	{"intune.credential", "permission denied", "Let the user that runs step-ca read the file: make that user its owner, with mode 0600."},
	{"intune.credential", "password", "Use a key without password, or one in a key management system."},
	{"intune.reporting", "needs a database", "Add db to ca.json, or set intune.reporting to strict."},
	{"intune.proxy", "", "Set url to http://host:port without user; username and passwordFile are keys of their own."},
	{"intune.tls", "", "Name a PEM file with the roots to trust, or leave it out for the system's."},
	{"", "decrypter", "Check decrypterCertificate, decrypterKey and its password: both must be PEM and belong together."},
	{"", "", "Correct it in ca.json; configuration.md in the documentation describes each key."},
}

// adviceFor returns what to do about a mistake at a key, which is empty for one of the
// whole entry.
func adviceFor(key string, err error) string {
	for _, a := range advices {
		at := a.key == "" || a.key == key || strings.HasPrefix(key, a.key+".")
		if at && strings.Contains(err.Error(), a.words) {
			return a.advice
		}
	}
	return ""
}
