package dbserver_test

import (
	"net"
	"testing"

	"github.com/smallstep/nosql"

	"github.com/step-ca-intune/step-ca-intune/test/dbserver"
	"github.com/step-ca-intune/step-ca-intune/test/mariadb"
	"github.com/step-ca-intune/step-ca-intune/test/postgres"
)

func TestAServerKeepsWhatItIsToldAndEndsWhenStopped(t *testing.T) {
	for name, server := range map[string]*dbserver.Shared{
		"PostgreSQL": {Start: postgres.Start}, "MariaDB": {Start: mariadb.Start},
	} {
		t.Run(name, func(t *testing.T) {
			s := server.Server(t)
			defer server.Stop()
			db, err := nosql.New(s.Driver, s.Source(s.Address, "things"))
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
		})
	}
}
