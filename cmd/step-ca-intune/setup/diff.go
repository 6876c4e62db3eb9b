package setup

import (
	"fmt"
	"slices"
	"strings"
)

// diff shows in unified form what one change in one place makes of a file.
func diff(name, before, after string) string {
	const context = 3
	a, b := slices.Collect(strings.Lines(before)), slices.Collect(strings.Lines(after))
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	tail := 0
	for tail < len(a)-same && tail < len(b)-same && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	begin, end := max(0, same-context), max(0, tail-context)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n@@ -%d,%d +%d,%d @@\n", name, name, begin+1, len(a)-end-begin, begin+1, len(b)-end-begin)
	write := func(mark string, lines []string) {
		for _, line := range lines {
			out.WriteString(mark + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	write(" ", a[begin:same])
	write("-", a[same:len(a)-tail])
	write("+", b[same:len(b)-tail])
	write(" ", a[len(a)-tail:len(a)-end])
	return out.String()
}
