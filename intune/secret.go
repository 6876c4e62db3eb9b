package intune

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Secret is a value that no log, error or dump may show: it prints as "***"
// however it is formatted or encoded.
type Secret string

const hidden = "***"

// String returns "***".
func (Secret) String() string { return hidden }

// GoString returns "***".
func (Secret) GoString() string { return hidden }

// Format writes "***" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns "***".
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns "***".
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// maxSecretFile bounds files that hold a secret or a token, in bytes.
const maxSecretFile = 64 << 10

// readSecretFile returns what the file holds without the white space and the
// byte order mark that editors add around it.
func readSecretFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxSecretFile {
		return "", fmt.Errorf("%q is larger than %d bytes", path, maxSecretFile)
	}
	s, err := parseSecret(data)
	if err != nil {
		return "", fmt.Errorf("%q: %w", path, err)
	}
	return s, nil
}

func parseSecret(data []byte) (Secret, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(data) == 0 {
		return "", errors.New("is empty")
	}
	for _, b := range data {
		if b < ' ' || b == 0x7f {
			return "", errors.New("holds more than one line or a control character")
		}
	}
	return Secret(data), nil
}
