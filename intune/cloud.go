package intune

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Cloud is one of Microsoft's separate clouds. Each has its own login, Graph
// and Intune. The zero value is CloudPublic.
type Cloud string

// The clouds, by the names that configuration files use.
const (
	CloudPublic Cloud = "public" // also GCC, Microsoft's moderate US Government cloud
	CloudUSGov  Cloud = "usgov"  // GCC High
	CloudDoD    Cloud = "dod"    // US Department of Defense
	CloudChina  Cloud = "china"  // operated by 21Vianet; needs Endpoints.Intune
)

// Endpoints are the addresses that differ from one cloud to another, as https
// URLs. An empty one means the cloud's own.
type Endpoints struct {
	// Login is Microsoft Entra ID, the authority that gives tokens.
	Login string
	// Graph is Microsoft Graph, which tells where Intune's services are.
	Graph string
	// Intune is the resource for which the Intune token is asked. It is a
	// name first: requests go to the address that Graph tells, which may be
	// on this host; see Config.AllowedServiceHosts.
	Intune string
}

// place is what a cloud consists of.
type place struct {
	Endpoints
	domain string // tokens may go to this domain and those below it
}

// places has each endpoint with its closing slash: the Intune scope becomes
// "https://api.manage.microsoft.com//.default" by it, and the token's audience
// then ends in the slash that Intune expects.
var places = map[Cloud]place{
	CloudPublic: {Endpoints{
		Login:  "https://login.microsoftonline.com/",
		Graph:  "https://graph.microsoft.com/",
		Intune: "https://api.manage.microsoft.com/",
	}, "manage.microsoft.com"},
	CloudUSGov: {Endpoints{
		Login:  "https://login.microsoftonline.us/",
		Graph:  "https://graph.microsoft.us/",
		Intune: "https://api.manage.microsoft.us/",
	}, "manage.microsoft.us"},
	CloudDoD: {Endpoints{
		Login:  "https://login.microsoftonline.us/",
		Graph:  "https://dod-graph.microsoft.us/",
		Intune: "https://api.manage.microsoft.us/",
	}, "manage.microsoft.us"},
	CloudChina: {Endpoints{
		Login: "https://login.partner.microsoftonline.cn/",
		Graph: "https://microsoftgraph.chinacloudapi.cn/",
	}, "manage.microsoftonline.cn"},
}

// resolve fills what the operator left empty from the cloud, and returns the
// hosts that may receive tokens when the operator names none: the cloud's
// management domain and the host of an Intune endpoint of the operator's own.
func (c Cloud) resolve(own Endpoints) (Endpoints, []string, error) {
	if c == "" {
		c = CloudPublic
	}
	p, ok := places[c]
	if !ok {
		return Endpoints{}, nil, fmt.Errorf("cloud: %q is none of public, usgov, dod, china", string(c))
	}
	ends, hosts := p.Endpoints, []string{p.domain}
	for _, e := range []struct {
		key string
		own string
		to  *string
	}{
		{"endpoints.login", own.Login, &ends.Login},
		{"endpoints.graph", own.Graph, &ends.Graph},
		{"endpoints.intune", own.Intune, &ends.Intune},
	} {
		switch {
		case e.own != "":
			u, err := parseEndpoint(e.own)
			if err != nil {
				return Endpoints{}, nil, fmt.Errorf("%s: %w", e.key, err)
			}
			*e.to = u.String()
			if e.to == &ends.Intune {
				hosts = append(hosts, strings.ToLower(u.Hostname()))
			}
		case *e.to == "":
			return Endpoints{}, nil, fmt.Errorf("%s: required in cloud %q", e.key, string(c))
		}
	}
	return ends, hosts, nil
}

// parseEndpoint accepts an https URL without anything that has no meaning
// here, and gives its path a closing slash.
func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "@"): // what stands before it may be a password
		return nil, errors.New("the address has more than scheme, host and path")
	case err != nil:
		return nil, errors.New("the address is not a URL")
	case u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%q is not an https URL", s)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q has more than scheme, host and path", s)
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u, nil
}
