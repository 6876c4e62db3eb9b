package provisioner

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/smallstep/certificates/authority/config"
	"go.step.sm/crypto/kms"
)

// State says how bad a [Finding] is.
type State string

// The states.
const (
	StateOK      State = "ok"
	StateWarning State = "warning" // devices get certificates, and an operator should know
	StateProblem State = "problem" // step-ca does not start, or devices get no certificate
)

// Finding is one thing that [Check] looked at.
type Finding struct {
	// Area is the part of the configuration, for example `provisioner "intune"`.
	Area string `json:"area"`
	// State says how it stands.
	State State `json:"state"`
	// What is one line that says what was found.
	What string `json:"what"`
	// Advice is one line that says what to do; empty when all is well.
	Advice string `json:"advice,omitempty"`
}

// CheckOptions say what [Check] looks at.
type CheckOptions struct {
	// File is the path of ca.json.
	File string
	// PasswordFile holds the password of the CA's key, as step-ca's flag of this name.
	PasswordFile string
	// Offline makes no calls to Microsoft.
	Offline bool
	// Version is told to Intune.
	Version string
}

// Check looks at everything that can be known before the first device: it reads a
// configuration as a start does, but to its end, and asks Microsoft whether each tenant can
// be served. It writes nothing, listens nowhere, asks for no password, and leaves a running
// CA and its database alone. The error is for a file that cannot be read or is not JSON.
func Check(ctx context.Context, o CheckOptions) ([]Finding, error) {
	data, err := os.ReadFile(o.File)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if err := json.NewDecoder(strings.NewReader(string(data))).Decode(new(json.RawMessage)); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", o.File, err)
	}
	x := &examination{CheckOptions: o}
	defer x.close()
	x.configuration()
	x.statusListener()
	if x.conf != nil {
		x.authority(ctx)
		x.database(ctx)
		x.beside()
	}
	x.files()
	for n := range x.intune {
		x.provisioner(ctx, &x.intune[n])
	}
	x.sort()
	for i, f := range x.findings {
		x.findings[i].What, x.findings[i].Advice = x.discreet(f.What), x.discreet(f.Advice)
	}
	return x.findings, nil
}

// sort brings the findings of an area together: provisioners come last, and the areas are
// otherwise in the order in which they were looked at.
func (x *examination) sort() {
	rank := map[string]int{}
	for i, f := range x.findings {
		if _, ok := rank[f.Area]; !ok {
			rank[f.Area] = i
			if strings.HasPrefix(f.Area, "provisioner ") {
				rank[f.Area] += len(x.findings)
			}
		}
	}
	slices.SortStableFunc(x.findings, func(a, b Finding) int { return rank[a.Area] - rank[b.Area] })
}

// examination is one run of [Check].
type examination struct {
	CheckOptions
	conf   *config.Config // nil when step-ca cannot read it
	intune []rawEntry     // the Intune entries

	password  []byte // of the CA's key
	roots     []*x509.Certificate
	chain     []*x509.Certificate // of the issuing CA; empty when it cannot be read
	manager   kms.KeyManager
	signer    crypto.Signer    // nil when the CA's key is not open
	decrypter crypto.Decrypter // the same key, nil when it cannot decrypt

	neighbours []neighbour // that the CA would serve

	area     string // of the next findings
	hidden   []string
	findings []Finding
}

func (x *examination) close() {
	if x.manager != nil {
		_ = x.manager.Close()
	}
}

func (x *examination) add(s State, advice, format string, args ...any) {
	x.findings = append(x.findings, Finding{Area: x.area, State: s, What: fmt.Sprintf(format, args...), Advice: advice})
}

func (x *examination) ok(format string, args ...any) { x.add(StateOK, "", format, args...) }

func (x *examination) warn(advice, format string, args ...any) {
	x.add(StateWarning, advice, format, args...)
}

func (x *examination) problem(advice, format string, args ...any) {
	x.add(StateProblem, advice, format, args...)
}

// hide keeps a secret of the configuration out of the findings, whoever repeats it.
func (x *examination) hide(secrets ...string) {
	for _, s := range secrets {
		if len(s) > 3 { // a shorter one would only tear holes into words
			x.hidden = append(x.hidden, s)
		}
	}
}

// discreet makes one line of a text, without secrets.
func (x *examination) discreet(text string) string {
	for _, s := range x.hidden {
		text = strings.ReplaceAll(text, s, "***")
	}
	return strings.Join(strings.Fields(text), " ")
}

// areaOf is the area of an entry.
func areaOf(name string) string { return fmt.Sprintf("provisioner %q", name) }

// mistakes adds what the start would refuse. It reports whether there was nothing.
func (x *examination) mistakes(err error) bool {
	area := x.area
	for _, err := range allOf(err) {
		key := ""
		if c, ok := errors.AsType[*configError](err); ok {
			x.area, key = areaOf(c.Provisioner), c.Key
			err = errors.New(strings.TrimPrefix(c.Error(), x.area+": "))
		}
		x.problem(adviceFor(key, err), "%v", err)
		x.area = area
	}
	return err == nil
}
