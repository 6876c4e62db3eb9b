package intune

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// longRun is what tokens, challenges and certificate requests look like: more
// base64 without a break than any word or path has, or whole lines of it.
var longRun = regexp.MustCompile(`[A-Za-z0-9+/=_-]{100,}|[A-Za-z0-9+/=_-]{60,}(?:\s+[A-Za-z0-9+/=_-]{60,})+`)

const (
	// maxText bounds what a service may add to our errors and logs, in bytes.
	maxText = 500
	// maxSeen bounds how much of a text is looked at, in bytes.
	maxSeen = 8 << 10
	// window is how many characters of a long secret in a row give it away.
	window = 24
)

// redact makes text from outside fit for errors and logs: one line, bounded,
// without the given secrets and without anything that looks like a token.
func redact(text string, secrets ...string) string {
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted := strconv.Quote(s) // as net/http prints a line that it does not understand
		for _, form := range []string{s, quoted[1 : len(quoted)-1], url.QueryEscape(s)} {
			text = strings.ReplaceAll(text, form, hidden)
		}
	}
	text = clip(text, maxSeen)
	for _, s := range secrets {
		text = hideParts(text, s)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	// Last, for what was between two lines is white space only now.
	text = longRun.ReplaceAllString(strings.Join(strings.Fields(text), " "), hidden)
	return clip(text, maxText)
}

// hideParts hides every part of a long secret, also one that is broken into
// lines: only the characters of base64 count.
func hideParts(text, secret string) string {
	secret, _ = squeeze(secret)
	bare, at := squeeze(text)
	if len(secret) < 2*window || len(bare) < window {
		return text
	}
	var b strings.Builder
	written := 0
	for i := 0; i+window <= len(bare); i++ {
		if !strings.Contains(secret, bare[i:i+window]) {
			continue
		}
		end := i + window
		for end < len(bare) && strings.Contains(secret, bare[end-window+1:end+1]) {
			end++
		}
		b.WriteString(text[written:at[i]])
		b.WriteString(hidden)
		written = at[end-1] + 1
		i = end - 1
	}
	b.WriteString(text[written:])
	return b.String()
}

// squeeze keeps the characters of base64, and tells where they stood.
func squeeze(s string) (string, []int) {
	kept, at := make([]byte, 0, len(s)), make([]int, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/', c == '=', c == '_', c == '-':
			kept, at = append(kept, c), append(at, i)
		}
	}
	return string(kept), at
}

// clip cuts s to n bytes, on a rune boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
