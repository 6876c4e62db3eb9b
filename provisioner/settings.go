package provisioner

import (
	"time"

	"github.com/step-ca-intune/step-ca-intune/provisioner/profile"
)

// settings is the `intune` object of an entry in ca.json, as it is written there.
type settings struct {
	// Tenant is the Entra ID directory, by name or id. Required.
	Tenant string `json:"tenant"`
	// ClientID is the id of the application that the CA signs in as. Required, save with a
	// managed identity.
	ClientID string `json:"clientID"`
	// Credential proves that the CA is the application. Exactly one kind. Required.
	Credential *credentialSettings `json:"credential"`
	// Cloud is Microsoft's cloud of the tenant: public, usgov, dod or china. Default: public.
	Cloud string `json:"cloud"`
	// Endpoints replace the cloud's, one by one.
	Endpoints endpointSettings `json:"endpoints"`
	// AllowedServiceHosts are the hosts, or their parent domains, that may receive tokens.
	// Default: the cloud's management domain, and the host of Endpoints.Intune where that is
	// set.
	AllowedServiceHosts []string `json:"allowedServiceHosts"`
	// Proxy is the way to Microsoft. Default: HTTPS_PROXY and NO_PROXY of the environment.
	Proxy *proxySettings `json:"proxy"`
	// TLS is about the connections to Microsoft.
	TLS tlsSettings `json:"tls"`
	// Timeout is the budget of one enrolment: validation, signing and success notification,
	// retries included. A Go duration of at most 13s, since step-ca ends every answer after
	// 15 s. Default: 10s.
	Timeout string `json:"timeout"`
	// Retries is how often a call is repeated after a passing fault, within Timeout.
	// 0: never. At most 10. Default: 2.
	Retries *int `json:"retries"`
	// MaxConcurrent is how many enrolments of this provisioner are under way at once, from
	// the question to Intune to the answer to the device; up to three more for each place
	// wait, for at most half of Timeout. Default: 256.
	MaxConcurrent *int `json:"maxConcurrent"`
	// Reporting is "strict": a certificate reaches its device after Intune has accepted the
	// success notification; or "queued": after the notification is safely stored, which
	// keeps devices enrolling while Intune does not answer and is not Microsoft's rule.
	// Queued needs a database. Default: strict.
	Reporting string `json:"reporting"`
	// CAID names this CA to Intune, which sends revocation requests to it: the value of
	// caConfiguration and certificateAuthority. Default: the issuing CA's distinguished name.
	CAID string `json:"caID"`
	// Profile decides what a certificate may hold.
	Profile profile.Settings `json:"profile"`
}

// credentialSettings is the `credential` object: exactly one of its kinds.
type credentialSettings struct {
	// SecretFile is a file that holds the application's client secret. It is read again
	// when it changes.
	SecretFile string `json:"secretFile"`
	// SecretEnv is an environment variable that holds the client secret.
	SecretEnv string `json:"secretEnv"`
	// Certificate is a PEM file of the application's certificate, and Key its private key:
	// a PEM file or a step KMS URI.
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	// FederatedTokenFile is a file with a token of another identity provider, as Kubernetes
	// and Azure workload identity write it. It is read anew for every use.
	FederatedTokenFile string `json:"federatedTokenFile"`
	// ManagedIdentity is "system" or the client id of a user-assigned identity.
	ManagedIdentity string `json:"managedIdentity"`
}

// endpointSettings is the `endpoints` object: https URLs.
type endpointSettings struct {
	Login  string `json:"login"`
	Graph  string `json:"graph"`
	Intune string `json:"intune"`
}

// proxySettings is the `proxy` object.
type proxySettings struct {
	// URL is the proxy's address, http, https or socks5. Required.
	URL string `json:"url"`
	// Username signs in at the proxy, with the password that PasswordFile holds.
	Username     string `json:"username"`
	PasswordFile string `json:"passwordFile"`
}

// tlsSettings is the `tls` object.
type tlsSettings struct {
	// RootCAs is a PEM file of the roots that are trusted for the connections to Microsoft.
	// Default: the system's.
	RootCAs string `json:"rootCAs"`
}

const (
	defaultTimeout = 10 * time.Second
	// maxTimeout leaves step-ca two of its 15 seconds to store, encrypt and answer.
	maxTimeout           = 13 * time.Second
	defaultRetries       = 2
	defaultMaxConcurrent = 256
)
