package intune

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// hostList names the hosts that may receive bearer tokens.
type hostList []string

// parseHosts accepts names of hosts and of parent domains, without scheme,
// port, path or wildcard.
func parseHosts(hosts []string) (hostList, error) {
	list := make(hostList, 0, len(hosts))
	for _, h := range hosts {
		name := strings.ToLower(strings.TrimSuffix(h, "."))
		if !isHostName(name) {
			return nil, fmt.Errorf("allowedServiceHosts: %q is not the name of a host or domain", h)
		}
		list = append(list, name)
	}
	return list, nil
}

func isHostName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || strings.HasPrefix(s, ".") || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_') {
			return false
		}
	}
	return true
}

// check returns the service address that a look-up told when a token may go
// there. Graph's answer decides where tokens go, so it is not believed blindly.
func (l hostList) check(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("the address %q is not a URL", clip(uri, 200))
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https":
		return nil, fmt.Errorf("the address %q is not https", clip(u.Redacted(), 200))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the address %q has more than scheme, host and path", clip(u.Redacted(), 200))
	case !l.holds(host):
		return nil, fmt.Errorf("the host %q is not one of allowedServiceHosts", clip(host, 200))
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// holds compares whole labels: "manage.microsoft.com" holds
// "fef.manage.microsoft.com" and not "evilmanage.microsoft.com".
func (l hostList) holds(host string) bool {
	for _, name := range l {
		if host == name {
			return true
		}
		_, err := netip.ParseAddr(name)
		isDomain := err != nil
		if isDomain && isHostName(host) && strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}
