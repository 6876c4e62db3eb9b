package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/step-ca-intune/step-ca-intune/test/device"
	"github.com/step-ca-intune/step-ca-intune/test/harness"
)

// The names of the sides.
const (
	ours  = "step-ca-intune"
	stock = "step-ca"
)

const provisioner = "bench"

// server is one of the CAs under test, with the devices' side of it.
type server struct {
	*harness.CA
	intune bool // devices need a challenge of Intune's

	binary    string
	authority *harness.Authority
	client    *device.Client
	transport *http.Transport
	profiles  string // address of the server of profiles
}

// newOurs starts step-ca-intune with files of its own; edit may change the `intune` object.
func (b *bench) newOurs(ctx context.Context, edit func(intune map[string]any)) (*server, error) {
	entry, err := harness.IntuneEntry(provisioner, b.sim)
	if err != nil {
		return nil, err
	}
	if edit != nil {
		edit(entry["intune"].(map[string]any))
	}
	return b.newServer(ctx, harness.StepCAIntune.In(b.Bin), entry)
}

// newStock starts the stock step-ca with a static challenge, as long as one of Intune, so that
// both servers decode messages of the same size.
func (b *bench) newStock(ctx context.Context) (*server, error) {
	return b.newServer(ctx, harness.StepCA.In(b.Bin), harness.SCEPEntry(provisioner, b.static))
}

func (b *bench) newServer(ctx context.Context, binary string, entry map[string]any) (*server, error) {
	address, err := harness.FreeAddress()
	if err != nil {
		return nil, err
	}
	b.servers++
	dir := filepath.Join(b.Dir, fmt.Sprintf("ca-%d", b.servers))
	authority, err := harness.NewCA(dir, harness.Options{
		Database:     harness.Badger,
		Like:         b.files,
		Provisioners: []map[string]any{entry},
		Env:          []string{"STEP_PROF_ADDR=" + address},
	})
	if err != nil {
		return nil, err
	}
	if b.files == nil {
		b.files = authority
	}
	s := &server{
		intune: entry["type"] == "Intune", binary: binary, authority: authority, profiles: address,
		transport: &http.Transport{MaxIdleConnsPerHost: 1 << 10, DisableCompression: true},
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	// A minute is longer than step-ca lets an answer take.
	s.client, err = device.Connect(ctx, s.SCEP(provisioner), &http.Client{Transport: s.transport, Timeout: time.Minute})
	if err != nil {
		s.Kill()
		return nil, err
	}
	return s, b.warm(ctx, s)
}

// start runs the server, again after a stop.
func (s *server) start(ctx context.Context) (err error) {
	s.CA, err = harness.StartCA(ctx, s.binary, s.authority)
	return err
}

func (s *server) proc() proc { return proc(s.PID()) }

func (s *server) name() string {
	if s.intune {
		return ours
	}
	return stock
}

// profile opens a page of step-ca's server of profiles.
func (s *server) profile(ctx context.Context, page string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.profiles+"/debug/pprof/"+page, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("reading the profile %s: %s", page, answer.Status)
	}
	return answer.Body, nil
}

// saveProfile writes a page to a file.
func (s *server) saveProfile(ctx context.Context, page, file string) error {
	body, err := s.profile(ctx, page)
	if err != nil {
		return err
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

var (
	goroutinesLine = regexp.MustCompile(`<td>(\d+)</td><td><a href='goroutine\?`)
	heapLine       = regexp.MustCompile(`^# HeapAlloc = (\d+)$`)
)

// goroutines counts them: the list of profiles has the number without the work of making one.
func (s *server) goroutines(ctx context.Context) (int, error) {
	return s.figure(ctx, "", goroutinesLine)
}

// heap returns what is in use after a garbage collection, in bytes.
func (s *server) heap(ctx context.Context) (int, error) {
	return s.figure(ctx, "heap?gc=1&debug=1", heapLine)
}

// figure reads a number out of a profile.
func (s *server) figure(ctx context.Context, page string, line *regexp.Regexp) (int, error) {
	body, err := s.profile(ctx, page)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			return strconv.Atoi(m[1])
		}
	}
	return 0, fmt.Errorf("the profile %s has no line %s", page, line)
}
