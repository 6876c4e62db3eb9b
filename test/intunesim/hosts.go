package intunesim

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// hosts are the names under which the simulator can be called.
type hosts struct {
	main   string   // host:port of Server.URL
	names  []string // for the TLS certificate
	origin []string // what may stand in a URL's host, port included
}

func newHosts(wanted string, addr *net.TCPAddr, further []string) hosts {
	port := strconv.Itoa(addr.Port)
	name, _, err := net.SplitHostPort(wanted)
	if err != nil || name == "" || addr.IP.IsUnspecified() {
		name = "127.0.0.1"
	}
	h := hosts{main: net.JoinHostPort(name, port)}
	for _, n := range append([]string{name, "127.0.0.1", "::1", "localhost"}, further...) {
		n = strings.ToLower(n)
		if slices.Contains(h.names, n) {
			continue
		}
		h.names = append(h.names, n)
		h.origin = append(h.origin, net.JoinHostPort(n, port))
	}
	// Behind a proxy the further names are called on the ordinary port.
	for _, n := range further {
		h.origin = append(h.origin, strings.ToLower(n))
	}
	return h
}

// knows reports whether host, as it stands in a URL, leads to the simulator.
func (h hosts) knows(host string) bool {
	return slices.Contains(h.origin, strings.ToLower(host))
}

// base is the address under which the caller of r reached the simulator.
func (h hosts) base(r *http.Request) string {
	if h.knows(r.Host) {
		return "https://" + r.Host
	}
	return "https://" + h.main
}
