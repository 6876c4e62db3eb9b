package intune

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// maxConns bounds the connections to one host. HTTP/2 needs one for everybody:
// without a bound each of many first callers would begin a handshake of its
// own. With HTTP/1.1 it bounds the calls at once, and the others wait.
const maxConns = 32

// newTransport returns the one transport of a client. Its connections are kept
// and shared: an idle one costs less than a handshake for each enrolment.
func newTransport(cfg *Config) (*discreetTransport, error) {
	conf, err := tlsConfig(cfg.TLS)
	if err != nil {
		return nil, err
	}
	return &discreetTransport{&http.Transport{
		Proxy:                  discreetProxy(cfg.Proxy),
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           128,
		MaxIdleConnsPerHost:    maxConns,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// A connection that went dead without a word is noticed within the
		// default timeout. The answer to a ping may take a while: losing the
		// connection ends every call on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 4 * time.Second, PingTimeout: 5 * time.Second},
	}}, nil
}

// noRedirects makes a redirect an answer like any other: a bearer token or an
// application secret never follows one.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func tlsConfig(own *tls.Config) (*tls.Config, error) {
	if own == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	if own.InsecureSkipVerify {
		return nil, errors.New("tls: InsecureSkipVerify is not allowed")
	}
	if own.MaxVersion != 0 && own.MaxVersion < tls.VersionTLS12 {
		return nil, errors.New("tls: TLS 1.2 at least is needed")
	}
	conf := own.Clone()
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	return conf, nil
}

// errTooLarge is the error of a body beyond its limit.
var errTooLarge = errors.New("the answer is larger than allowed")

// readBody reads and closes a body of at most limit bytes.
func readBody(body io.ReadCloser, limit int64) ([]byte, error) {
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, nil
}
