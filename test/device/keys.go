package device

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"sync/atomic"
)

// rotation is the number of pooled keys that requests without a key share. The
// keys differ from one request to the next, and there are few to generate.
const rotation = 8

var (
	poolMutex sync.Mutex
	pool      []*rsa.PrivateKey
	nextKey   atomic.Uint64
)

// Keys returns n RSA keys of 2048 bits, always the same ones within a process:
// generating a key takes longer than a whole enrolment.
func Keys(n int) []*rsa.PrivateKey {
	poolMutex.Lock()
	defer poolMutex.Unlock()
	if missing := n - len(pool); missing > 0 {
		fresh := make([]*rsa.PrivateKey, missing)
		var wg sync.WaitGroup
		for i := range fresh {
			wg.Go(func() {
				key, err := rsa.GenerateKey(rand.Reader, 2048)
				if err != nil {
					panic(err) // only for a broken random source, which crashes Go anyway
				}
				fresh[i] = key
			})
		}
		wg.Wait()
		pool = append(pool, fresh...)
	}
	return pool[:n:n]
}

// pooledKey returns one of the first few keys of the pool in turn.
func pooledKey() *rsa.PrivateKey {
	i := int(nextKey.Add(1)-1) % rotation
	return Keys(i + 1)[i]
}
