package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
	"github.com/step-ca-intune/step-ca-intune/test/intunesim"
)

// Provisioner is the name of a site's Intune provisioner.
const Provisioner = "intune"

// Options describe a site. The zero value is one CA with badger in strict mode.
type Options struct {
	// Server keeps the site's database; nil means badger.
	Server *dbserver.Server
	// Queued is the mode of reporting.
	Queued bool
	// Replicas is how many CAs there are, one when zero. More than one need a Server.
	Replicas int
	// Links puts a Link between each replica and its database and Intune.
	Links bool
	// Edit changes the provisioner's entry.
	Edit func(entry map[string]any)
	// Env is added to the environment of each CA.
	Env []string
	// History is how many calls the simulator remembers, 0 for its default.
	History int
}

// Site is a CA with its Intune.
type Site struct {
	Options
	Sim      *intunesim.Server
	Replicas []*Replica

	bin        string
	driver     string
	dataSource string
	client     *http.Client // of the devices
}

// Replica is one CA of a site. Its links are nil unless the site has some.
type Replica struct {
	*harness.CA
	Database, Intune *Link

	site      *Site
	authority *harness.Authority
	client    *device.Client

	mu   sync.Mutex
	past []string // what former processes printed
}

// NewSite starts a simulator and CAs with the programs in bin and files in dir.
func NewSite(ctx context.Context, bin, dir string, o Options) (_ *Site, err error) {
	s := &Site{Options: o, bin: bin, client: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
		Timeout:   40 * time.Second,
	}}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.Sim, err = intunesim.Start(intunesim.Options{Dir: filepath.Join(dir, "intune"), History: o.History}); err != nil {
		return nil, fmt.Errorf("starting the simulator: %w", err)
	}
	if err := s.openDatabase(dir); err != nil {
		return nil, err
	}
	first, err := s.newAuthority(filepath.Join(dir, "ca"))
	if err != nil {
		return nil, err
	}
	for i := range max(o.Replicas, 1) {
		authority := first
		if i > 0 {
			if authority, err = another(first, fmt.Sprintf("%s-%d", first.Dir, i)); err != nil {
				return nil, err
			}
		}
		r := &Replica{site: s, authority: authority}
		s.Replicas = append(s.Replicas, r)
		if err := s.connect(r); err != nil {
			return nil, err
		}
		if err := r.Start(ctx); err != nil {
			return nil, err
		}
		if r.client, err = device.Connect(ctx, r.SCEP(Provisioner), s.client); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// databases counts those that were created, to name the next.
var databases atomic.Int64

// creating keeps databases from being created at the same time, for which
// PostgreSQL wants its template for itself.
var creating sync.Mutex

// openDatabase finds a place for the database. A new one of a server is created by
// opening it.
func (s *Site) openDatabase(dir string) error {
	s.driver, s.dataSource = string(harness.Badger), filepath.Join(dir, "ca", "db")
	if s.Server == nil {
		return nil
	}
	name := fmt.Sprintf("stepca_%d", databases.Add(1))
	s.driver, s.dataSource = s.Server.Driver, s.Server.Source(s.Server.Address, name)
	creating.Lock()
	defer creating.Unlock()
	db, err := nosql.New(s.driver, s.dataSource)
	if err != nil {
		return fmt.Errorf("creating the database: %w", err)
	}
	return db.Close()
}

func (s *Site) newAuthority(dir string) (*harness.Authority, error) {
	control, err := intunesim.Dial(s.Sim.URL(), s.Sim.RootFile())
	if err != nil {
		return nil, err
	}
	entry, err := harness.IntuneEntry(Provisioner, &harness.Sim{Control: control, RootFile: s.Sim.RootFile()})
	if err != nil {
		return nil, err
	}
	if s.Queued {
		entry["intune"].(map[string]any)["reporting"] = "queued"
	}
	if s.Edit != nil {
		s.Edit(entry)
	}
	return harness.NewCA(dir, harness.Options{
		Database:     harness.Badger,
		Provisioners: []map[string]any{entry},
		Env:          s.Env,
		Edit: func(config map[string]any) {
			config["db"] = map[string]any{"type": s.driver, "dataSource": s.dataSource}
		},
	})
}

// connect lays the links of a replica.
func (s *Site) connect(r *Replica) (err error) {
	if !s.Links {
		return nil
	}
	if r.Intune, err = NewLink(""); err != nil {
		return err
	}
	if s.Server != nil {
		if r.Database, err = NewLink(s.Server.Address); err != nil {
			return err
		}
	}
	return r.authority.EditConfig(func(config map[string]any) {
		entry := harness.Provisioner(config, Provisioner)
		entry["intune"].(map[string]any)["proxy"] = map[string]any{"url": "http://" + r.Intune.Address()}
		if r.Database != nil {
			db := config["db"].(map[string]any)
			db["dataSource"] = strings.Replace(s.dataSource, s.Server.Address, r.Database.Address(), 1)
		}
	})
}

// Start runs the replica, again after a Kill or a stop.
func (r *Replica) Start(ctx context.Context) error {
	ca, err := harness.StartCA(ctx, harness.StepCAIntune.In(r.site.bin), r.authority)
	if err != nil {
		return err
	}
	if r.CA != nil {
		r.mu.Lock()
		r.past = append(r.past, r.CA.Output())
		r.mu.Unlock()
	}
	r.CA = ca
	return nil
}

// Log returns what all processes of the replica have printed.
func (r *Replica) Log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := strings.Join(r.past, "")
	if r.CA != nil {
		all += r.CA.Output()
	}
	return all
}

// Authority returns the replica's files.
func (r *Replica) Authority() *harness.Authority { return r.authority }

// Client returns a SCEP client of the first replica.
func (s *Site) Client() *device.Client {
	c := *s.Replicas[0].client
	return &c
}

// Stop ends all replicas as an operator would.
func (s *Site) Stop() error {
	var wg sync.WaitGroup
	errs := make([]error, len(s.Replicas))
	for i, r := range s.Replicas {
		wg.Go(func() {
			if code, err := r.Stop(); err != nil || code != 0 {
				errs[i] = fmt.Errorf("replica %d stopped with status %d, %w", i, code, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Close ends everything at once.
func (s *Site) Close() {
	for _, r := range s.Replicas {
		if r.CA != nil {
			r.Kill()
		}
		for _, l := range []*Link{r.Database, r.Intune} {
			if l != nil {
				l.Close()
			}
		}
	}
	if s.Sim != nil {
		s.Sim.Close()
	}
}
