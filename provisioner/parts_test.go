package provisioner

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/db"
	"github.com/smallstep/nosql"
	"github.com/smallstep/nosql/database"

	"github.com/step-ca-intune/step-ca-intune/intune"
	"github.com/step-ca-intune/step-ca-intune/provisioner/report"
)

func TestAnIssuedCertificateIsRememberedForFifteenMinutes(t *testing.T) {
	now := time.Unix(0, 0)
	s := newIssuedCertificates(10, func() time.Time { return now })
	k, other := keyOf("intune", []byte("csr")), keyOf("other", []byte("csr"))
	r := new(apiv1.CreateCertificateResponse)
	s.remember(k, r)
	if s.recall(other) != nil {
		t.Error("recalled at another provisioner")
	}
	now = now.Add(issuedFor)
	if s.recall(k) != r {
		t.Error("forgotten after 15 minutes")
	}
	now = now.Add(time.Nanosecond)
	if s.recall(k) != nil {
		t.Error("recalled later")
	}
	s.remember(other, r)
	if len(s.byKey) != 1 || len(s.order) != 1 {
		t.Errorf("%d and %d are kept", len(s.byKey), len(s.order))
	}
}

func TestIssuedCertificatesAreBoundedAndTheOldestGoFirst(t *testing.T) {
	s := newIssuedCertificates(3, time.Now)
	keys := []key{keyOf("a", nil), keyOf("b", nil), keyOf("c", nil), keyOf("d", nil)}
	for _, k := range keys {
		s.remember(k, new(apiv1.CreateCertificateResponse))
	}
	for i, k := range keys {
		if kept := s.recall(k) != nil; kept != (i > 0) {
			t.Errorf("certificate %d is kept: %t", i, kept)
		}
	}
}

func TestAForgottenCertificateThatIsIssuedAnewIsKeptAsTheNewOne(t *testing.T) {
	s := newIssuedCertificates(2, time.Now)
	k := keyOf("a", nil)
	s.remember(k, new(apiv1.CreateCertificateResponse))
	if s.forget(k); s.recall(k) != nil {
		t.Error("recalled")
	}
	renewed := new(apiv1.CreateCertificateResponse)
	s.remember(k, renewed)
	s.remember(keyOf("b", nil), new(apiv1.CreateCertificateResponse)) // drops the first of k
	if s.recall(k) != renewed {
		t.Error("the new one has gone with the old one")
	}
}

func TestAFailureIsExplainedToTheAdministrator(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, test := range map[string]struct {
		res  result
		code intune.HResult
		text string
	}{
		"too late":           {result{err: errTooLate}, intune.HResultTimeout, "ran out of time"},
		"hung up":            {result{err: errHungUp}, intune.HResultFail, "closed the connection"},
		"abandoned":          {result{err: errAbandoned}, intune.HResultUnexpected, "did not finish"},
		"abandoned, issued":  {result{err: errAbandoned, accepted: true}, intune.HResultUnexpected, "did not finish"},
		"template":           {result{err: &templateError{errors.New("subject")}}, intune.HResultPolicyDenied, "subject"},
		"template, wrapped":  {result{err: fmt.Errorf("signing: %w", &templateError{errors.New("subject")})}, intune.HResultPolicyDenied, "subject"},
		"after the report":   {result{err: errors.New("disk full"), accepted: true}, intune.HResultUnexpected, "disk full"},
		"policy":             {result{err: errors.New("denied")}, intune.HResultAccessDenied, "denied"},
		"a text too long":    {result{err: errors.New(long)}, intune.HResultAccessDenied, "xxx"},
		"a text of one byte": {result{err: errors.New("?")}, intune.HResultAccessDenied, "?"},
	} {
		t.Run(name, func(t *testing.T) {
			code, text := explainFailure(test.res)
			if code != test.code || int32(code) >= 0 || !strings.Contains(text, test.text) {
				t.Errorf("got %s, %q", code, text)
			}
			if strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\r\n") {
				t.Errorf("%q is not one line", text)
			}
		})
	}
}

func TestTheDatabaseIsClosedWhenTheWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := &closeCounter{DB: newClosable()}
		database := &db.DB{DB: counter}
		w := mustWrap(t, database, discard).work
		if !w.begin() {
			t.Fatal("work does not begin")
		}
		begin := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- database.DB.Close() }()
		time.Sleep(5 * time.Second)
		if counter.closed != 0 {
			t.Error("closed while work is under way")
		}
		if w.begin() {
			t.Error("new work begins while the CA is stopping")
		}
		w.end()
		if err := <-closed; err != nil || counter.closed != 1 || time.Since(begin) != 5*time.Second {
			t.Errorf("closed %d times after %s, %v", counter.closed, time.Since(begin), err)
		}
	})
}

func TestTheDatabaseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := &closeCounter{DB: newClosable()}
		database := &db.DB{DB: counter}
		out := new(syncBuffer)
		mustWrap(t, database, slog.New(slog.NewTextHandler(out, nil))).work.begin()
		begin := time.Now()
		if err := database.DB.Close(); err != nil || counter.closed != 1 || time.Since(begin) != stopTimeout {
			t.Errorf("closed %d times after %s, %v", counter.closed, time.Since(begin), err)
		}
		if len(out.lines("still under way")) != 1 {
			t.Errorf("logged %q", out)
		}
	})
}

// closable is a database in memory that can be closed.
type closable struct {
	nosql.DB
	memory report.Database
}

func newClosable() closable { return closable{memory: report.Memory()} }

func (closable) Close() error { return nil }

func (c closable) CreateTable(table []byte) error { return c.memory.CreateTable(table) }
func (c closable) Get(table, key []byte) ([]byte, error) {
	return c.memory.Get(table, key)
}
func (c closable) List(table []byte) ([]*database.Entry, error) { return c.memory.List(table) }
func (c closable) Update(tx *database.Tx) error                 { return c.memory.Update(tx) }

func mustWrap(t testing.TB, d db.AuthDB, log *slog.Logger) *state {
	t.Helper()
	s, err := wrapDatabase(d).open(log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAReloadKeepsTheStateOfTheDatabase(t *testing.T) {
	for name, typ := range map[string]string{"a database that compacts": "badgerv2", "one that does not": "bbolt"} {
		t.Run(name, func(t *testing.T) {
			database := openDatabase(t, typ)
			defer database.Shutdown()
			first := mustWrap(t, database, discard)
			wrapped := database.DB
			if mustWrap(t, database, discard) != first || database.DB != wrapped {
				t.Error("a reload wraps the database again")
			}
		})
	}
	if wrapDatabase(new(db.SimpleDB)) != nil {
		t.Error("without a database there is one that waits")
	}
}

func TestWorkIsIdleOnceItHasStopped(t *testing.T) {
	w := newWork()
	for range 2 {
		if !w.begin() {
			t.Fatal("work does not begin")
		}
	}
	w.end()
	idle := w.stop()
	select {
	case <-idle:
		t.Error("idle with one piece of work")
	default:
	}
	w.end()
	<-idle
	<-w.stop() // as often as one likes
}

func TestTheLoggerHasTheFormatOfTheConfiguration(t *testing.T) {
	for name, test := range map[string]struct{ raw, debug, want, not string }{
		"text by default":        {"", "", "level=INFO msg=hello", "whisper"},
		"text":                   {`{"format":"text"}`, "", "level=INFO msg=hello", "whisper"},
		"json":                   {`{"format":"json"}`, "", `"level":"INFO","msg":"hello"`, "whisper"},
		"json in capitals":       {`{"Format":"JSON"}`, "", `"msg":"hello"`, "whisper"},
		"common is step-ca's":    {`{"format":"common"}`, "", "msg=hello", "whisper"},
		"talkative as step-ca":   {`{"format":"json"}`, "1", `"msg":"whisper"`, "level="},
		"not more than step-ca":  {"", "0", "msg=hello", "whisper"},
		"whatever stands there":  {`[]`, "", "msg=hello", "whisper"},
		"a format of no meaning": {`{"format":7}`, "", "msg=hello", "whisper"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("STEPDEBUG", test.debug)
			text := stderrOf(t, func() {
				log := newLogger([]byte(test.raw))
				log.Info("hello")
				log.Debug("whisper")
			})
			if !strings.Contains(text, test.want) || strings.Contains(text, test.not) {
				t.Errorf("logged %q", text)
			}
		})
	}
}

// stderrOf returns what f writes to the standard error stream.
func stderrOf(t testing.TB, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	old := os.Stderr
	os.Stderr = file
	func() {
		defer func() { os.Stderr = old }()
		f()
	}()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestALongFieldIsCutInTheLog(t *testing.T) {
	for text, want := range map[string]string{
		"short": "short", strings.Repeat("x", 512): strings.Repeat("x", 512), strings.Repeat("x", 513): strings.Repeat("x", 512) + "…",
		strings.Repeat("x", 511) + "ü": strings.Repeat("x", 511) + "…",
	} {
		if got := clip(text); got != want {
			t.Errorf("got %q", got)
		}
	}
}
