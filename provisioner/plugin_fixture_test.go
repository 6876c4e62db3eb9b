package provisioner

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/cas/apiv1"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/status"
)

var discard = slog.New(slog.DiscardHandler)

// fakeClient is Intune. Without functions it approves and accepts everything.
type fakeClient struct {
	validate func(ctx context.Context, transactionID string) error
	success  func(ctx context.Context, issued intune.Issued) error
	failure  func(ctx context.Context) error

	mu        sync.Mutex
	asked     int
	succeeded []intune.Issued
	failed    chan failed
}

// failed is a failure notification.
type failed struct {
	transactionID string
	code          intune.HResult
	description   string
}

var _ intuneClient = (*fakeClient)(nil)

func (c *fakeClient) ValidateRequest(ctx context.Context, transactionID string, _ []byte) (intune.Receipt, error) {
	c.mu.Lock()
	c.asked++
	c.mu.Unlock()
	if c.validate != nil {
		return intune.Receipt{}, c.validate(ctx, transactionID)
	}
	return intune.Receipt{ActivityID: "activity-1"}, nil
}

func (c *fakeClient) SendSuccessNotification(ctx context.Context, _ string, _ []byte, issued intune.Issued) (intune.Receipt, error) {
	c.mu.Lock()
	c.succeeded = append(c.succeeded, issued)
	c.mu.Unlock()
	if c.success != nil {
		return intune.Receipt{}, c.success(ctx, issued)
	}
	return intune.Receipt{ActivityID: "activity-2"}, nil
}

func (c *fakeClient) SendFailureNotification(ctx context.Context, transactionID string, _ []byte, h intune.HResult, description string) (intune.Receipt, error) {
	var err error
	if c.failure != nil {
		err = c.failure(ctx)
	}
	c.failed <- failed{transactionID, h, description}
	return intune.Receipt{ActivityID: "activity-3"}, err
}

// counts returns how often Intune was asked and told of a success.
func (c *fakeClient) counts() (asked, succeeded int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked, len(c.succeeded)
}

// newFakeClient returns a client with room for failure notifications, which nobody has to
// wait for.
func newFakeClient() *fakeClient { return &fakeClient{failed: make(chan failed, 16)} }

// refusedWith is Intune's no.
func refusedWith(code intune.Code) error {
	return &intune.ServiceError{Kind: intune.ErrRefused, Operation: "validateRequest", Code: code, Description: "no"}
}

// syncBuffer is a buffer for goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// lines returns the lines that contain a text.
func (s *syncBuffer) lines(text string) []string {
	var found []string
	for line := range strings.Lines(s.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// newTestInstance is an instance without an authority.
func newTestInstance() *instance { return newInstance(nil, discard) }

// intuneEntry is an Intune entry as design it is written in ca.json.
func intuneEntry(t testing.TB, name string) object {
	t.Helper()
	return object{
		"type": "Intune", "name": name, "claims": oneYear(),
		"intune": object{
			"tenant":     "contoso.onmicrosoft.com",
			"clientID":   "11111111-2222-3333-4444-555555555555",
			"credential": object{"secretFile": writeFile(t, filepath.Join(t.TempDir(), "secret"), []byte("s3cret\n"))},
		},
	}
}

// running is a CA with the plugin.
type running struct {
	authority *authority.Authority
	instance  *instance
	server    *httptest.Server
	log       *syncBuffer
}

// constructPlugin makes the authority of a ca.json with the plugin. All of its entries
// speak to the client instead of Intune.
func constructPlugin(t testing.TB, p *Plugin, file string, client intuneClient) (*running, error) {
	t.Helper()
	r := &running{log: new(syncBuffer)}
	restore := plant(t, func(ctx context.Context, o apiv1.Options, original apiv1.CertificateAuthorityServiceNewFunc) (apiv1.CertificateAuthorityService, error) {
		s, err := p.construct(ctx, o, apiv1.SoftCAS, original)
		if err != nil {
			return nil, err
		}
		r.instance = s.(*service).instance
		log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r.instance.log = log
		if remote := r.instance.names.remote; remote != nil {
			remote.log = log
		}
		if r.instance.state != nil {
			r.instance.state.log = log
		}
		for name, e := range r.instance.entries {
			e.client, e.log = client, log.With("provisioner", name)
		}
		return s, nil
	})
	defer restore()
	var err error
	r.authority, err = newAuthority(t, file)
	return r, err
}

func newPlugin() *Plugin {
	return &Plugin{version: "test", running: map[string]serving{}, states: map[string]*state{}, boards: map[string]*status.Board{}}
}

// startPlugin serves a ca.json with the plugin.
func startPlugin(t testing.TB, file string, client intuneClient) *running {
	t.Helper()
	r, err := constructPlugin(t, newPlugin(), file, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.authority.GetTLSCertificate(); err != nil {
		t.Fatal(err)
	}
	r.server = serveCA(t, r.authority)
	return r
}
