package crash

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo returns the address of a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }() // until the other side ends
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ping reports whether a byte comes back in time.
func ping(c net.Conn, within time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func TestALinkCarriesStallsAndIsCut(t *testing.T) {
	l, err := NewLink(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := dial(t, l)
	if err := ping(c, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	l.Stall()
	if err := ping(c, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a stalled link: %v", err)
	}
	l.Restore()
	if err := ping(c, 10*time.Second); err != nil {
		t.Errorf("after the stall: %v", err)
	}
	c = dial(t, l)
	if err := ping(c, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	l.Cut()
	if err := ping(c, 10*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a cut link: %v", err)
	}
	if err := ping(dial(t, l), 10*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new connection over a cut link: %v", err)
	}
	l.Restore()
	if err := ping(dial(t, l), 10*time.Second); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

func TestALinkWithoutTargetIsAnHTTPProxy(t *testing.T) {
	l, err := NewLink("")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, to := dial(t, l), echo(t)
	const answer = "HTTP/1.1 200 Connection established\r\n\r\n"
	if _, err := io.WriteString(c, "CONNECT "+to+" HTTP/1.1\r\nHost: "+to+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(answer))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != answer {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := ping(c, 10*time.Second); err != nil {
		t.Error(err)
	}
}
