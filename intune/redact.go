package intune

import (
	"regexp"
	"strings"
	"unicode"
)

// longRun is what tokens, challenges and certificate requests look like: more
// base64 without a break than any word or path has.
var longRun = regexp.MustCompile(`[A-Za-z0-9+/=_-]{100,}`)

// maxText bounds what a service may add to our errors and logs, in bytes.
const maxText = 500

// redact makes text from outside fit for errors and logs: one line, bounded,
// without the given secrets and without anything that looks like a token.
func redact(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	text = longRun.ReplaceAllString(text, "***")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	return clip(strings.Join(strings.Fields(text), " "), maxText)
}

// clip cuts s to n bytes, on a rune boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
