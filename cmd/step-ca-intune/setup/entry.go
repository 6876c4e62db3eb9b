package setup

import (
	"net/url"
	"strings"
)

// entry is the provisioner's entry in ca.json.
type entry struct {
	Type string `json:"type"`
	Name string `json:"name"`
	// IncludeRoot makes the CA answer GetCACert with its root as well. Intune's SCEP profile
	// names the root, and Windows looks for that among what the CA answers.
	IncludeRoot                   bool         `json:"includeRoot"`
	EncryptionAlgorithmIdentifier int          `json:"encryptionAlgorithmIdentifier"`
	DecrypterCertificate          []byte       `json:"decrypterCertificate,omitempty"`
	DecrypterKey                  string       `json:"decrypterKey,omitempty"`
	Claims                        claims       `json:"claims"`
	Intune                        intuneObject `json:"intune"`
}

type claims struct {
	Default string `json:"defaultTLSCertDuration"`
	Max     string `json:"maxTLSCertDuration"`
}

type intuneObject struct {
	Tenant     string     `json:"tenant"`
	ClientID   string     `json:"clientID"`
	Credential credential `json:"credential"`
	Cloud      string     `json:"cloud,omitempty"`
	Endpoints  *endpoints `json:"endpoints,omitempty"`
	Proxy      *proxy     `json:"proxy,omitempty"`
	TLS        *tls       `json:"tls,omitempty"`
}

type credential struct {
	SecretFile string `json:"secretFile"`
}

type endpoints struct {
	Login  string `json:"login,omitempty"`
	Graph  string `json:"graph,omitempty"`
	Intune string `json:"intune,omitempty"`
}

type proxy struct {
	URL string `json:"url"`
}

type tls struct {
	RootCAs string `json:"rootCAs"`
}

const (
	aes256CBC = 2 // smallstep/pkcs7's number for it
	oneYear   = "8760h"
)

// newEntry returns the entry that the options describe.
func (o *Options) newEntry(secretFile string) *entry {
	e := &entry{
		Type: "Intune", Name: o.provisioner, IncludeRoot: true, EncryptionAlgorithmIdentifier: aes256CBC,
		Claims: claims{Default: oneYear, Max: oneYear},
		Intune: intuneObject{
			Tenant: o.tenant, ClientID: o.clientID, Credential: credential{SecretFile: secretFile}, Cloud: o.cloud,
		},
	}
	if own := (endpoints{o.login, o.graph, o.resource}); own != (endpoints{}) {
		e.Intune.Endpoints = &own
	}
	if o.proxy != "" {
		e.Intune.Proxy = &proxy{o.proxy}
	}
	if o.rootCAs != "" {
		e.Intune.TLS = &tls{o.rootCAs}
	}
	return e
}

// keyURI names a key file to step-ca where it takes no plain path.
func keyURI(file string) string {
	return "softkms:path=" + strings.ReplaceAll(url.QueryEscape(file), "%2F", "/")
}
