package postgres_test

import (
	"errors"
	"net"
	"testing"

	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/postgres"
)

func TestAServerKeepsWhatItIsToldAndEndsWhenStopped(t *testing.T) {
	s, err := postgres.Start(t.Context())
	if errors.Is(err, postgres.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	db, err := nosql.New(nosql.PostgreSQLDriver, s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.CreateTable([]byte("things")); err != nil {
		t.Fatal(err)
	}
	if err := db.Set([]byte("things"), []byte("key"), []byte("value")); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Get([]byte("things"), []byte("key")); err != nil || string(got) != "value" {
		t.Fatalf("got %q, %v", got, err)
	}
	s.Stop()
	if conn, err := net.Dial("tcp", s.Address); err == nil {
		conn.Close()
		t.Fatal("the server still listens")
	}
}
