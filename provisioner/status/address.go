package status

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// CheckAddress returns why the listener cannot have an address. An empty one means no
// listener. Without allowRemote an address must be one that other machines cannot reach.
func CheckAddress(address string, allowRemote bool) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address such as \"127.0.0.1:9190\"", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port between 1 and 65535", address)
	}
	if !allowRemote && !isLoopback(host) {
		return fmt.Errorf("other machines can reach %q: use 127.0.0.1, or set statusAllowRemote", address)
	}
	return nil
}

// isLoopback reports whether a host, without port, is this machine's loopback interface.
// Of names only localhost is: what others stand for is decided elsewhere.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// isLoopbackPeer reports whether a connection comes from this machine.
func isLoopbackPeer(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// isLoopbackHost reports whether a Host header, with a port or without, names the loopback
// interface.
func isLoopbackHost(header string) bool {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return isLoopback(host)
	}
	return isLoopback(header)
}

var errNotLoopback = errors.New("the name does not stand for the loopback interface")
