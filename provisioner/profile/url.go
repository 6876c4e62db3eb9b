package profile

import (
	"fmt"
	"net/url"
)

// checkURL accepts addresses that can stand in a CRL distribution point or an
// authority information access extension.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || !isPrintableASCII(text):
		return fmt.Errorf("%q is no URL", text)
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ldap":
		return fmt.Errorf("%q is neither an http, https nor ldap URL", text)
	case u.Host == "" && u.Scheme != "ldap":
		return fmt.Errorf("%q names no host", text)
	case u.User != nil:
		return fmt.Errorf("%q would publish a user name", u.Redacted())
	}
	return nil
}
