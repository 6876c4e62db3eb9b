package harness

import (
	"fmt"
	"net"
	"sync"
)

var (
	givenMutex sync.Mutex
	given      = map[string]bool{}
)

// FreeAddress returns a loopback address with a port that nobody listens on,
// and never the same one twice.
func FreeAddress() (string, error) {
	givenMutex.Lock()
	defer givenMutex.Unlock()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("finding a free port: %w", err)
		}
		address := l.Addr().String()
		l.Close()
		if !given[address] {
			given[address] = true
			return address, nil
		}
	}
}
