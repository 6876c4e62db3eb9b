#!/bin/sh
# Runs each fuzz test of the module for the given time. One at a time: `go test -fuzz`
# takes one. Little time goes into making a finding small, or a short run does nothing else.
set -eu
time=$1
found=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz runs one test. When the time ends at the wrong moment go test fails with "context
# deadline exceeded" and nothing else; a finding names its input.
fuzz() {
	if go test -run '^$' -fuzz "^$1\$" -fuzztime "$time" -fuzzminimizetime 5x "$2" >"$log" 2>&1; then
		cat "$log"
		return
	fi
	if grep -q '^    context deadline exceeded$' "$log" && ! grep -q -e 'Failing input' -e '_test.go:' -e '^panic' "$log"; then
		grep '^fuzz: elapsed' "$log" | tail -1
		return
	fi
	cat "$log"
	return 1
}

for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
	for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		found=$((found + 1))
		echo "fuzz: $(dirname "$file") $name for $time"
		fuzz "$name" "$(dirname "$file")"
	done
done
echo "fuzz: $found tests ran for $time each"
test "$found" -gt 0
