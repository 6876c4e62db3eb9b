package setup

import (
	"bytes"
	"errors"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/step-ca-intune/step-ca-intune/intune"
)

// readSecret finds the application's client secret: in the file, the environment, or by
// asking. It is never a flag's value, which every user of the machine can see.
func (o *Options) readSecret() error {
	text := os.Getenv(SecretEnv)
	switch {
	case o.secretFile != "":
		content, err := os.ReadFile(o.secretFile)
		if err != nil {
			return err
		}
		// Editors may add a byte order mark.
		text = string(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")))
	case text == "" && o.ask != nil:
		var err error
		if text, err = o.ask.AskSecret("Client secret (its value)", checkSecret); err != nil {
			return err
		}
	case text == "":
		return errors.New("is missing, and the environment variable " + SecretEnv + " is not set")
	}
	if err := checkSecret(text); err != nil {
		return err
	}
	o.secret = intune.Secret(strings.TrimSpace(text))
	return nil
}

// checkSecret refuses what cannot be a client secret, without repeating it.
func checkSecret(s string) error {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return errors.New("the client secret is empty")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("the client secret is more than one line, or holds characters that no secret has")
	case uuid.Validate(s) == nil:
		// Entra ID shows both side by side, and the id later as well.
		return errors.New("this is the id of a client secret; its value is needed, which Entra ID shows only once")
	}
	return nil
}
