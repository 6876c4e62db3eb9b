package intunesim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// directory is the tenant in Entra ID with its one application registration.
type directory struct {
	tenant, tenantID string
	clientID         string
	hosts            hosts
	signingKey       *rsa.PrivateKey // of access tokens
	keyID            string

	mu           sync.RWMutex
	secrets      []string
	expired      []string
	certificates []*x509.Certificate
	federations  []Federation
	tokens       Tokens
}

// Tokens says what the access tokens of the future look like; tokens that were
// handed out before keep what they hold.
type Tokens struct {
	// Lifetime of a token, one hour when zero.
	Lifetime time.Duration
	// RefreshIn, when set, is the hint in the answer after which a client
	// should replace a token that is still good.
	RefreshIn time.Duration
	// IntuneRoles and GraphRoles are the granted application permissions.
	// Nil means what Intune needs, empty means none.
	IntuneRoles, GraphRoles []string
}

// The application permissions that the calls need.
const (
	IntuneRole = "scep_challenge_provider"
	GraphRole  = "Application.Read.All"
)

// tokenKey signs the access tokens of every simulator in the process, since
// making an RSA key takes long; the key id tells their tokens apart.
var tokenKey = sync.OnceValues(func() (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, 2048)
})

func newDirectory(o Options, h hosts) (*directory, error) {
	key, err := tokenKey()
	if err != nil {
		return nil, fmt.Errorf("making the key of access tokens: %w", err)
	}
	d := &directory{
		tenant: o.Tenant, tenantID: o.Tenant, clientID: o.ClientID, hosts: h,
		signingKey: key, keyID: rand.Text(), secrets: []string{o.Secret},
	}
	if uuid.Validate(o.Tenant) != nil {
		// The same name has the same id in every simulator.
		d.tenantID = uuid.NewSHA1(uuid.NameSpaceDNS, []byte(strings.ToLower(o.Tenant))).String()
	}
	d.setTokens(Tokens{})
	return d, nil
}

// knows reports whether name, from a URL, means this tenant.
func (d *directory) knows(name string) bool {
	return strings.EqualFold(name, d.tenant) || strings.EqualFold(name, d.tenantID)
}

// TenantID is the tenant's id: Options.Tenant if that is one, else derived from it.
func (s *Server) TenantID() string { return s.entra.tenantID }

// SetSecrets replaces the application's secrets: the valid ones are accepted,
// the expired ones are refused as expired, all others as wrong.
func (s *Server) SetSecrets(valid, expired []string) {
	d := s.entra
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secrets, d.expired = slices.Clone(valid), slices.Clone(expired)
}

// SetCertificates replaces the application's registered certificates.
func (s *Server) SetCertificates(certificates ...*x509.Certificate) {
	d := s.entra
	d.mu.Lock()
	defer d.mu.Unlock()
	d.certificates = slices.Clone(certificates)
}

// SetFederations replaces the application's federated credentials.
func (s *Server) SetFederations(federations ...Federation) error {
	for i := range federations {
		if err := federations[i].complete(); err != nil {
			return err
		}
	}
	d := s.entra
	d.mu.Lock()
	defer d.mu.Unlock()
	d.federations = slices.Clone(federations)
	return nil
}

// SetTokens changes the access tokens that are handed out from now on.
func (s *Server) SetTokens(t Tokens) error {
	if t.Lifetime < 0 || t.RefreshIn < 0 {
		return errors.New("a token's lifetime cannot be negative")
	}
	s.entra.setTokens(t)
	return nil
}

func (d *directory) setTokens(t Tokens) {
	if t.Lifetime == 0 {
		t.Lifetime = time.Hour
	}
	if t.IntuneRoles == nil {
		t.IntuneRoles = []string{IntuneRole}
	}
	if t.GraphRoles == nil {
		t.GraphRoles = []string{GraphRole}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokens = t
}
